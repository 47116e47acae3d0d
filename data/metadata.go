package data

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
)

// MetadataFile holds one JSON object a line: file_name, text, and optionally
// texts, more captions of the same picture.
const MetadataFile = "metadata.jsonl"

// maxMetadata bounds a file of metadata or annotations.
const (
	maxMetadata = 4 << 30
	maxTable    = 256 << 20 // under another name
)

// Keys of metadata, as people write them; the first that is there is the main caption.
var (
	captionKeys = []string{"text", "caption", "caption_text", "prompt", "texts", "captions", "prompts", "description", "image_caption", "image_description"}
	fileKeys    = []string{"file_name", "filename", "file", "image", "path", "image_path", "file_path", "img"}
	classKeys   = []string{"label", "class", "class_name", "category"}
)

const companionSuffix = "_file_name" // of Hugging Face's further columns of pictures

// row is what one line says of a picture.
type row struct {
	file    string
	texts   []string
	class   string
	others  map[string]string // companions' files by their names
	unknown []string
}

// readMetadata reads every metadata.jsonl and metadata.csv, and kohya's JSON.
func (l *listing) readMetadata() error {
	for _, f := range l.tree.Files {
		var parse func(raw []byte, each func(row) error) error
		kohya := false
		switch strings.ToLower(path.Base(f.Name)) {
		case MetadataFile:
			parse = eachJSONLine
		case "metadata.csv":
			parse = eachCSVRecord
		case "metadata.json", "meta_cap.json", "meta_cap_dd.json", "meta_clean.json", "meta_lat.json":
			kohya = true
		default:
			if err := l.readOtherTable(f); err != nil {
				return err
			}
			continue
		}
		raw, err := f.Read(maxMetadata)
		if err != nil {
			return err
		}
		if kohya {
			if l.used[f.Key()], err = l.readKohya(f, text(raw)); err != nil {
				return fault.As(fault.File, fmt.Errorf("%s: %w", f.Path(), err))
			}
			continue
		}
		l.used[f.Key()] = true
		err = parse(text(raw), func(r row) error { return l.addRow(f, r) })
		if err != nil {
			return fault.As(fault.File, fmt.Errorf("%s:%w", f.Path(), err))
		}
	}
	return nil
}

// readOtherTable reads a list of pictures under another name (captions.csv,
// train.jsonl), if its first row names a picture that is there.
func (l *listing) readOtherTable(f files.File) error {
	parse := eachCSVRecord
	switch strings.ToLower(path.Ext(f.Name)) {
	case ".csv", ".tsv":
	case ".jsonl":
		parse = eachJSONLine
	default:
		return nil
	}
	role := splits[strings.ToLower(stem(path.Base(f.Name)))]
	if role != "" && role != l.want || f.Size > maxTable {
		return nil // of another split (train.csv beside validation.csv), or no list
	}
	raw, err := f.Read(maxTable)
	if err != nil {
		return nil // it need not be one
	}
	raw = text(raw)
	first := true
	known := func(r row) error {
		if first = false; l.byKey[withShard(f, path.Join(path.Dir(f.Name), r.file))] == nil {
			return errNoTable
		}
		return io.EOF
	}
	if err := parse(raw, known); first || errors.Is(err, errNoTable) {
		return nil
	}
	l.used[f.Key()] = true
	l.annotated = l.annotated || role != ""
	if err := parse(raw, func(r row) error { return l.addRow(f, r) }); err != nil {
		return fault.As(fault.File, fmt.Errorf("%s:%w", f.Path(), err))
	}
	return nil
}

var errNoTable = errors.New("no list of pictures")

// addRow gives a picture what a row of the metadata file f says of it.
func (l *listing) addRow(f files.File, r row) error {
	for _, k := range r.unknown {
		l.unknown[k] = true
	}
	e, err := l.named(f, r.file)
	if err != nil {
		return err
	}
	if e == nil {
		return nil // of another split
	}
	e.taken, e.rows = true, true
	if len(r.texts) > 0 && len(e.Texts) == 0 {
		l.sources[path.Base(f.Name)]++
	}
	e.addTexts(r.texts)
	if r.class != "" {
		e.class, l.labels = norm.NFC.String(r.class), true
	}
	for _, name := range sortedKeys(r.others) {
		other, err := l.named(f, r.others[name])
		if err != nil {
			return err
		}
		if other != nil {
			e.addOther(name, other)
		}
	}
	return nil
}

// named is the picture that a metadata file names. One that is not there is in
// the set all the same, and found missing when headers are checked.
func (l *listing) named(f files.File, name string) (*entry, error) {
	inside := path.Join(path.Dir(f.Name), name)
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fault.Filef("file_name %q is not a path inside the folder", name)
	}
	if e := l.byKey[withShard(f, inside)]; e != nil {
		if !strings.HasPrefix(e.source.Name, l.split) {
			return nil, nil
		}
		return e, nil
	}
	if !strings.HasPrefix(inside, l.split) {
		return nil, nil
	}
	if e := l.fold(withShard(f, inside)); e != nil {
		return e, nil
	}
	source, there := l.tree.Lookup(f.Shard, inside)
	if !there {
		source = files.Missing(f, inside)
	}
	e := &entry{Item: Item{File: source.Path(), Class: -1, Repeats: 1, source: source}}
	l.byKey[source.Key()] = e
	l.pictures = append(l.pictures, e)
	return e, nil
}

// fold finds a picture whose name differs in capitals, or in how accents are
// written, as after a way over Windows or a Mac.
func (l *listing) fold(key string) *entry {
	folded := func(key string) string { return strings.ToLower(norm.NFC.String(key)) }
	if l.folded == nil {
		l.folded = map[string]*entry{}
		for key, e := range l.byKey {
			if _, twice := l.folded[folded(key)]; twice {
				e = nil
			}
			l.folded[folded(key)] = e
		}
	}
	return l.folded[folded(key)]
}

func withShard(f files.File, name string) string {
	f.Name = name
	return f.Key()
}

// governed says whether a metadata file lies in a picture's folder or above.
func (l *listing) governed(e *entry) bool {
	if e.rows {
		return true
	}
	for dir := path.Dir(e.source.Name); ; dir = path.Dir(dir) {
		for _, name := range []string{MetadataFile, "metadata.csv", "metadata.json"} {
			if f, ok := l.tree.Lookup(e.source.Shard, path.Join(dir, name)); ok && l.used[f.Key()] {
				return true
			}
		}
		if dir == "." || dir == "/" {
			return false
		}
	}
}

func (e *entry) addTexts(texts []string) {
	for _, t := range texts {
		if t != "" && !slices.Contains(e.Texts, t) {
			e.Texts = append(e.Texts, t)
		}
	}
}

func (e *entry) addOther(name string, other *entry) {
	other.aside, other.goes = true, true
	if e.Others == nil {
		e.Others = map[string]File{}
	}
	e.Others[name] = File{other.source}
}

// eachJSONLine reads an object a line. Errors begin with the line's number.
func eachJSONLine(raw []byte, each func(row) error) error {
	for n := 1; len(raw) > 0; n++ {
		line, rest, _ := bytes.Cut(raw, []byte{'\n'})
		raw = rest
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := parseLine(line)
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}

func parseLine(line []byte) (row, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return row{}, err
	}
	return parseFields(fields, true)
}

// parseFields gives fields their meaning. Letters' case does not matter.
func parseFields(fields map[string]any, needFile bool) (row, error) {
	var r row
	byName := map[string]any{}
	for k, v := range fields {
		byName[strings.ToLower(strings.TrimSpace(k))] = v
	}
	for _, k := range captionKeys {
		texts, err := strings_(byName[k])
		if err != nil {
			return r, fmt.Errorf("%s: %w", k, err)
		}
		r.texts = append(r.texts, texts...)
	}
	for _, k := range classKeys {
		if v := byName[k]; v != nil && r.class == "" {
			r.class = scalar(v)
		}
	}
	for _, k := range fileKeys {
		if s, ok := byName[k].(string); ok && s != "" && r.file == "" {
			r.file = strings.ReplaceAll(s, `\`, "/")
		}
	}
	for _, k := range sortedKeys(byName) {
		if s, ok := byName[k].(string); ok && strings.HasSuffix(k, companionSuffix) && s != "" {
			if r.others == nil {
				r.others = map[string]string{}
			}
			r.others[strings.TrimSuffix(k, companionSuffix)] = strings.ReplaceAll(s, `\`, "/")
		} else if !slices.Contains(captionKeys, k) && !slices.Contains(fileKeys, k) && !slices.Contains(classKeys, k) {
			r.unknown = append(r.unknown, k)
		}
	}
	r.chooseMain()
	if r.file == "" && needFile {
		return r, fmt.Errorf("no file_name")
	}
	return r, nil
}

// chooseMain takes the picture itself from the companions, where nothing else
// names it: the target of a pair.
func (r *row) chooseMain() {
	if r.file != "" {
		return
	}
	names := append([]string{"image", "target", "output", "edited", "edited_image", "original"}, sortedKeys(r.others)...)
	for _, name := range names {
		if file := r.others[name]; file != "" {
			r.file = file
			delete(r.others, name)
			return
		}
	}
}

// strings_ reads a text or a list of texts.
func strings_(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		var list []string
		for _, e := range v {
			s := scalar(e)
			if s == "" && e != "" && e != nil {
				return nil, fmt.Errorf("%v: want texts", e)
			}
			list = append(list, s)
		}
		return list, nil
	}
	s := scalar(v)
	if s == "" && v != "" {
		if text, ok := v.(string); !ok || strings.TrimSpace(text) != "" {
			return nil, fmt.Errorf("%v: want a text or a list of texts", v)
		}
	}
	return []string{s}, nil
}

// scalar is a text, or a number as text.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return fmt.Sprint(v)
	}
	return ""
}

// eachCSVRecord reads records below a line of names. The separator is a comma,
// or a tab or a semicolon where the names have no comma.
func eachCSVRecord(raw []byte, each func(row) error) error {
	first, _, _ := bytes.Cut(raw, []byte{'\n'})
	r := csv.NewReader(bytes.NewReader(raw))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	if !bytes.Contains(first, []byte{','}) {
		for _, sep := range "\t;" {
			if bytes.ContainsRune(first, sep) {
				r.Comma = sep
				break
			}
		}
	}
	names, err := r.Read()
	if err != nil {
		return fmt.Errorf("1: %w", err)
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			return fmt.Errorf("%d: %w", line, err)
		}
		fields := map[string]any{}
		for i, value := range record {
			if i < len(names) && value != "" {
				fields[names[i]] = value
			}
		}
		parsed, err := parseFields(fields, true)
		if err == nil {
			err = each(parsed)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", line, err)
		}
	}
}
