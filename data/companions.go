package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// maxCaption bounds a file of captions of one picture.
const maxCaption = 16 << 20

// text is the content of a text file in UTF-8, without a byte-order mark:
// UTF-16 where the mark says so, and what is no UTF-8 is taken as Windows has it.
func text(raw []byte) []byte {
	switch {
	case bytes.HasPrefix(raw, []byte{0xef, 0xbb, 0xbf}):
		return raw[3:]
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}), bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		if out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(raw); err == nil {
			return out
		}
	case !utf8.Valid(raw):
		if out, err := charmap.Windows1252.NewDecoder().Bytes(raw); err == nil {
			return out
		}
	}
	return raw
}

// lines are the texts of a file, one a line.
func lines(raw []byte) []string {
	var list []string
	for _, line := range strings.FieldsFunc(string(text(raw)), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// readCompanions reads the files that have a picture's name and another ending.
func (l *listing) readCompanions() error {
	if l.tree.Shards > 0 {
		l.setAside()
	}
	capitals := l.capitals()
	for _, e := range l.pictures {
		if e.aside {
			continue
		}
		for _, ext := range companionEndings {
			f, ok := l.tree.Lookup(e.source.Shard, stem(e.source.Name)+ext)
			if !ok {
				f, ok = capitals[files.File{Shard: e.source.Shard, Name: stem(e.source.Name) + ext}.Key()]
			}
			if !ok || (ext == ".json" || ext == ".cls") && l.tree.Shards == 0 {
				continue
			}
			raw, err := f.Read(maxCaption)
			if err != nil {
				return err
			}
			if err := l.addCompanion(e, f, ext, raw); err != nil {
				return fault.As(fault.File, fmt.Errorf("%s: %w", f.Path(), err))
			}
		}
	}
	return nil
}

// companionEndings are those of files that say something of the picture beside them.
var companionEndings = []string{".txt", ".caption", ".json", ".cls"}

// capitals are the files whose endings have capital letters, by the keys that they
// would have without.
func (l *listing) capitals() map[string]files.File {
	found := map[string]files.File{}
	for _, f := range l.tree.Files {
		ext := path.Ext(f.Name)
		if small := strings.ToLower(ext); small != ext && slices.Contains(companionEndings, small) {
			found[files.File{Shard: f.Shard, Name: strings.TrimSuffix(f.Name, ext) + small}.Key()] = f
		}
	}
	return found
}

// addCompanion gives a picture what a file beside it says of it.
func (l *listing) addCompanion(e *entry, f files.File, ext string, raw []byte) error {
	var texts []string
	switch ext {
	case ".cls":
		if name := strings.TrimSpace(string(text(raw))); name != "" {
			e.class, l.labels = name, true
		}
	case ".json":
		var fields map[string]any
		if err := json.Unmarshal(text(raw), &fields); err != nil {
			return err
		}
		r, err := parseFields(fields, false)
		if err != nil {
			return err
		}
		texts = r.texts
		if r.class != "" && e.class == "" {
			e.class, l.labels = r.class, true
		}
	default:
		texts = lines(raw)
	}
	l.used[f.Key()] = true
	e.taken = true
	if len(texts) > 0 && len(e.Texts) == 0 {
		l.sources[ext+" files"]++
	}
	e.addTexts(texts)
	return nil
}

// setAside makes the further pictures of a WebDataset sample (key.seg.png
// beside key.jpg) companions of the first, by the rest of their names.
func (l *listing) setAside() {
	mains := map[string]*entry{}
	for _, e := range l.pictures {
		if key, rest := sampleKey(e.source); rest == "" {
			mains[key] = e
		}
	}
	for _, e := range l.pictures {
		key, rest := sampleKey(e.source)
		if main := mains[key]; rest != "" && main != nil {
			main.addOther(rest, e)
		}
	}
}

// sampleKey cuts a name at the first dot: the sample's key, and what of the
// rest stands before the last extension.
func sampleKey(f files.File) (key, rest string) {
	dir, base := path.Split(f.Name)
	base, rest, _ = strings.Cut(base, ".")
	if !picture.IsPicture("." + rest) {
		return f.Key(), ""
	}
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		rest = rest[:i]
	} else {
		rest = ""
	}
	f.Name = dir + base
	return f.Key(), rest
}
