package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Reader is where weights are read from: a File, a Set, or one made of others,
// such as what adds an adapter's changes to what it reads. Tensors are asked for by
// the names that a network gives them; a reader may store them under others.
type Reader interface {
	// Name is the path of the file or folder, for messages.
	Name() string
	// Names lists all tensors as they are stored, in a fixed order.
	Names() []string
	// Stored is the name, among Names, of the tensor that a name leads to, and
	// whether it is there.
	Stored(name string) (stored string, ok bool)
	// Info describes a tensor, by the network's name or the stored one.
	Info(name string) (Info, bool)
	// Read reads a tensor into memory of its own: floats as float32, integers as
	// int32.
	Read(name string) (*tensor.Tensor, error)
	// View is Read, but the tensor may lie in a mapped file, in 16 bits if the file
	// has those; it holds until Close.
	View(name string) (*tensor.Tensor, error)
	// Release says that the memory of a view is not needed for now.
	Release(*tensor.Tensor)
	// Metadata holds the free strings of the file.
	Metadata() map[string]string
	Close() error
}

// Want is a tensor that a network needs.
type Want struct {
	Stored string // its name in the file
	Shape  tensor.Shape
}

// LoadOptions say how strict Load is.
type LoadOptions struct {
	// Allowed tells which tensors may be in the file though nothing wants them.
	// Without it, all may.
	Allowed func(name string) bool
	// Spare names tensors as Load's want does: they may be there though nothing
	// wants them.
	Spare []string
	// IgnoreKeys are beginnings of names that are neither missed nor read.
	IgnoreKeys []string
	// View leaves tensors in the mapped file, and those of 16 bits as they are; see
	// File.View.
	View bool
	// Loose takes tensors whose shape differs in axes of length 1 at the end, as
	// between linear layers and 1x1 convolutions.
	Loose bool
}

// Load reads the wanted tensors. Missing, misshapen and unexpected ones are one
// error that lists them all; a NaN or an infinity is an error that names the
// tensor and the element. Tensors whose names begin with an ignored key are
// left out of the result.
func Load(r Reader, want map[string]Want, opt LoadOptions) (map[string]*tensor.Tensor, error) {
	l := loader{r, opt, map[string]bool{}}
	if err := l.match(want); err != nil {
		return nil, err
	}
	out := make(map[string]*tensor.Tensor, len(want))
	for name, w := range want {
		if l.ignored(name) || l.ignored(w.Stored) {
			continue
		}
		t, err := l.read(w)
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// Fits compares what is wanted with what is there, as Load does before it reads.
func Fits(r Reader, want map[string]Want, opt LoadOptions) error {
	l := loader{r, opt, map[string]bool{}}
	return l.match(want)
}

type loader struct {
	Reader
	opt  LoadOptions
	used map[string]bool
}

func (l *loader) ignored(name string) bool {
	return slices.ContainsFunc(l.opt.IgnoreKeys, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func (l *loader) read(w Want) (*tensor.Tensor, error) {
	get := l.Read
	if l.opt.View {
		get = l.View
	}
	t, err := get(w.Stored)
	if err != nil {
		return nil, err
	}
	if i, v := nonFinite(t); i >= 0 {
		return nil, fault.Filef("%s: %s: element %d is %g", l.Name(), w.Stored, i, v)
	}
	l.Release(t)
	if t.Half != nil {
		return tensor.OfHalf(t.Half, t.Format, w.Shape...), nil
	}
	return tensor.Of(t.F32, w.Shape...), nil
}

// nonFinite is the first element that is a NaN or an infinity, with an index of -1
// if there is none.
func nonFinite(t *tensor.Tensor) (int, float32) {
	for i, v := range t.F32 {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return i, v
		}
	}
	exponent := uint16(0x7c00)
	if t.Format == tensor.BF16 {
		exponent = 0x7f80
	}
	for i, h := range t.Half {
		if h&exponent == exponent {
			var v [1]float32
			t.Format.Widen(v[:], []uint16{h})
			return i, v[0]
		}
	}
	return -1, 0
}

// match compares what is wanted with what is there.
func (l *loader) match(want map[string]Want) error {
	var missing, misshapen, unexpected, foreign []string
	for name, w := range want {
		stored, ok := l.Stored(w.Stored)
		l.used[stored] = ok
		if l.ignored(name) || l.ignored(w.Stored) {
			continue
		}
		info, _ := l.Info(w.Stored)
		switch {
		case !ok:
			missing = append(missing, w.Stored)
		case !info.Shape.Equal(w.Shape) && !(l.opt.Loose && trimmed(info.Shape).Equal(trimmed(w.Shape))):
			misshapen = append(misshapen, fmt.Sprintf("%s is %v, want %v", w.Stored, info.Shape, w.Shape))
		case !info.DType.float():
			foreign = append(foreign, fmt.Sprintf("%s (%s)", w.Stored, info.DType))
		}
	}
	for _, name := range l.opt.Spare {
		if stored, ok := l.Stored(name); ok {
			l.used[stored] = true
		}
	}
	for _, name := range l.Names() {
		if !l.used[name] && l.opt.Allowed != nil && !l.opt.Allowed(name) && !l.ignored(name) {
			unexpected = append(unexpected, name)
		}
	}
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"missing", missing}, {"wrongly shaped", misshapen}, {"unexpected", unexpected}, {"of a number format that is not computed with (want F32, F16, BF16 or F64)", foreign}} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(p.names), p.what, some(p.names)))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return fault.Filef("%s does not fit the configuration: %s", l.Name(), strings.Join(parts, "; "))
}

// trimmed drops axes of length 1 at the end.
func trimmed(s tensor.Shape) tensor.Shape {
	for len(s) > 1 && s[len(s)-1] == 1 {
		s = s[:len(s)-1]
	}
	return s
}

// printable is a name of a file on one line.
func printable(name string) string {
	if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// some lists the first names in alphabetical order.
func some(names []string) string {
	const most = 8
	for i, name := range names {
		names[i] = printable(name)
	}
	slices.Sort(names)
	if n := len(names) - most; n > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ")
}

// Wants are tensors that are stored under their own names behind a prefix.
func Wants(prefix string, shapes map[string]tensor.Shape) map[string]Want {
	out := make(map[string]Want, len(shapes))
	for name, shape := range shapes {
		out[name] = Want{prefix + name, shape}
	}
	return out
}

// Stored is the name itself.
func (f *File) Stored(name string) (string, bool) {
	_, ok := f.entries[name]
	return name, ok
}

// Stored is the name of a tensor in its file, as part/name.
func (s *Set) Stored(name string) (string, bool) {
	part, names, ok := s.rename(name)
	if !ok {
		return "", false
	}
	_, stored, ok := s.find(name)
	if !ok {
		return part + "/" + names[0], false
	}
	return part + "/" + stored, true
}
