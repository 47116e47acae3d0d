package data

import (
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
