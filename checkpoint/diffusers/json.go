package diffusers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/config"
)

const (
	maxJSON   = 16 << 20 // bytes of a JSON file
	maxLevels = 10
	maxWidth  = 1 << 20 // channels, rows, tokens
)

// directory is a model's directory; name is for errors.
type directory struct {
	name string
	fsys fs.FS
}

// label is a file's name in errors.
func (d directory) label(file string) string {
	if d.name == "" {
		return file
	}
	return strings.TrimRight(d.name, `/\`) + "/" + file
}

// errorf is an error about a file.
func (d directory) errorf(file, format string, args ...any) error {
	return fmt.Errorf("%s: %w", d.label(file), fmt.Errorf(format, args...))
}

func (d directory) exists(file string) bool {
	_, err := fs.Stat(d.fsys, file)
	return err == nil
}

// cause is an error without the path that the file system put before it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// unbounded is how diffusers writes that DPM-Solver's λ has no least value: Python's json
// goes beyond the standard there.
var unbounded = regexp.MustCompile(`("lambda_min_clipped"\s*:\s*)-Infinity\b`)

// object reads a file that holds one JSON object.
func (d directory) object(file string) (*object, error) {
	f, err := d.fsys.Open(file)
	if err != nil {
		return nil, d.errorf(file, "%w", cause(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, d.errorf(file, "%w", cause(err))
	}
	if len(raw) > maxJSON {
		return nil, d.errorf(file, "more than %d bytes: want a JSON file of at most that", maxJSON)
	}
	o := &object{file: d.label(file), used: map[string]bool{}}
	if raw, err = config.Text(raw); err != nil {
		return nil, d.errorf(file, "%w", err)
	}
	if err := json.Unmarshal(unbounded.ReplaceAll(raw, []byte("${1}null")), &o.fields); err != nil {
		return nil, d.errorf(file, "not a JSON object: %w", err)
	}
	if o.fields == nil {
		return nil, d.errorf(file, "null: want a JSON object")
	}
	return o, nil
}

// object is the JSON object of a file. The first field that is wrong stays in
// err, so that a reader asks for all fields and looks once.
type object struct {
	file   string
	fields map[string]any
	used   map[string]bool // fields that were asked for
	err    error
}

// get is a field's value, nil where it is absent or null.
func (o *object) get(name string) any {
	o.used[name] = true
	return o.fields[name]
}

func (o *object) has(name string) bool { return o.get(name) != nil }

// bad notes that a field is not what is wanted.
func (o *object) bad(name, format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf("%s: %s is %s: want %s", o.file, name, o.show(name), fmt.Sprintf(format, args...))
	}
}

// show is a field's value on one short line.
func (o *object) show(name string) string {
	v, ok := o.fields[name]
	if !ok {
		return "missing"
	}
	return show(v)
}

func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if r := []rune(string(raw)); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return string(raw)
}

// only refuses a field that is there with a value that is not among the legal ones.
func (o *object) only(name string, legal ...any) {
	v := o.get(name)
	if _, ok := o.fields[name]; !ok {
		return
	}
	shown := make([]string, len(legal))
	for i, l := range legal {
		if v == l {
			return
		}
		shown[i] = show(l)
	}
	o.bad(name, "%s or no such field", strings.Join(shown, " or "))
}

// integer is a whole number of lo to hi.
func (o *object) integer(name string, lo, hi int) int {
	n, ok := whole(o.get(name), lo, hi)
	if !ok {
		o.bad(name, "an integer of %d to %d", lo, hi)
	}
	return n
}

func whole(v any, lo, hi int) (int, bool) {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || f < float64(lo) || f > float64(hi) {
		return lo, false
	}
	return int(f), true
}

// uniform is a whole number that may be written as a list of equal ones.
func (o *object) uniform(name string, lo, hi int) int {
	list, isList := o.get(name).([]any)
	if !isList {
		return o.integer(name, lo, hi)
	}
	if len(list) > 0 && allEqual(list) {
		if n, ok := whole(list[0], lo, hi); ok {
			return n
		}
	}
	o.bad(name, "an integer of %d to %d, or a list of equal ones", lo, hi)
	return lo
}

func allEqual(list []any) bool {
	for _, v := range list {
		if _, ok := v.(float64); !ok || v != list[0] {
			return false
		}
	}
	return true
}

// number is a number between lo and hi, both excluded.
func (o *object) number(name string, lo, hi float64) float64 {
	f, ok := o.get(name).(float64)
	if !ok || f <= lo || f >= hi {
		o.bad(name, "a number between %g and %g", lo, hi)
	}
	return f
}

// widths are block_out_channels: the first, and each as a multiple of it.
func (o *object) widths() (first int, mult []int) {
	const name = "block_out_channels"
	list, _ := o.get(name).([]any)
	if len(list) < 1 || len(list) > maxLevels {
		o.bad(name, "a list of 1 to %d numbers of channels", maxLevels)
		return 32, []int{1}
	}
	for _, v := range list {
		w, ok := whole(v, 32, maxWidth)
		if first == 0 {
			first = w
		}
		if !ok || first%32 != 0 || w%first != 0 {
			o.bad(name, "multiples of 32, and of the first")
		}
		mult = append(mult, max(w/first, 1))
	}
	return first, mult
}

// choices is a list of n strings, of which each is one of two: true is the second.
func (o *object) choices(name string, n int, no, yes string) []bool {
	list, _ := o.get(name).([]any)
	out := make([]bool, n)
	ok := len(list) == n
	for i := range min(len(list), n) {
		out[i] = list[i] == yes
		ok = ok && (out[i] || list[i] == no)
	}
	if !ok {
		o.bad(name, "%d of %s and %s, as many as block_out_channels", n, no, yes)
	}
	return out
}

// unknown describes the fields that nobody asked for, but for those that are
// off or say who wrote the file.
func (o *object) unknown() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if v := o.fields[name]; !o.used[name] && v != nil && v != false && !strings.HasPrefix(name, "_") {
			lines = append(lines, fmt.Sprintf("%s: %s is unknown here and ignored, though it is %s; remove the field if that is right", o.file, show(name), show(v)))
		}
	}
	return lines
}
