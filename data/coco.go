package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
)

// Box says where in a picture something is, in shares of its width and height:
// the left upper corner, width and height.
type Box struct {
	Class      int // place in Set.Categories
	X, Y, W, H float64
	Crowd      bool     // many of them, not told apart
	Outline    *Outline // its shape, if the set was opened with Outlines and the file has one
}

// coco is the part of COCO's form that is read.
type coco struct {
	images     []cocoImage
	notes      []cocoNote
	categories []cocoCategory
}

type cocoImage struct {
	ID       int64   `json:"id"`
	FileName string  `json:"file_name"`
	Width    float64 `json:"width"`
	Height   float64 `json:"height"`
}

type cocoNote struct {
	Image    int64           `json:"image_id"`
	Category int64           `json:"category_id"`
	Box      []float64       `json:"bbox"`
	Crowd    any             `json:"iscrowd"` // 0 or 1, or a truth value
	Caption  string          `json:"caption"`
	Outline  json.RawMessage `json:"segmentation"`
}

type cocoCategory struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// readCOCO reads every file of annotations in COCO's form.
func (l *listing) readCOCO() error {
	for _, f := range l.tree.Files {
		if !l.mayBeCOCO(f) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		c, err := parseCOCO(io.NewSectionReader(r, 0, min(r.Size(), maxMetadata)), l.outlines)
		r.Close()
		if err != nil {
			return fault.As(fault.File, fmt.Errorf("%s: %w", f.Path(), err))
		}
		if c == nil {
			continue
		}
		l.used[f.Key()] = true
		if err := l.addCOCO(f, c); err != nil {
			return fault.As(fault.File, fmt.Errorf("%s: %w", f.Path(), err))
		}
	}
	return nil
}

// mayBeCOCO goes by the names that such files have: JSON in a folder
// annotations or at the top, but not beside a picture of that name.
func (l *listing) mayBeCOCO(f files.File) bool {
	name := strings.ToLower(f.Name)
	if path.Ext(name) != ".json" || l.hasPicture(f) {
		return false
	}
	base := path.Base(name)
	for _, word := range []string{"instances", "captions", "annotation", "coco"} {
		if strings.Contains(base, word) {
			return true
		}
	}
	return strings.Contains("/"+path.Dir(name)+"/", "/annotations/") || !strings.Contains(name, "/")
}

func (l *listing) hasPicture(f files.File) bool {
	for _, ext := range []string{".png", ".jpg", ".jpeg", ".webp"} {
		if l.byKey[withShard(f, stem(f.Name)+ext)] != nil {
			return true
		}
	}
	return false
}

// parseCOCO reads a file, and keeps the outlines if they are wanted; it returns nil for JSON of another form.
func parseCOCO(r io.Reader, outlines bool) (*coco, error) {
	d := json.NewDecoder(skipMark(r))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil
	}
	var c coco
	found := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		found[name] = true
		switch name {
		case "images":
			err = eachElement(d, func(i cocoImage) { c.images = append(c.images, i) })
		case "annotations":
			err = eachElement(d, func(n cocoNote) {
				if !outlines {
					n.Outline = nil // most of the file
				}
				c.notes = append(c.notes, n)
			})
		case "categories":
			err = eachElement(d, func(t cocoCategory) { c.categories = append(c.categories, t) })
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil && !(found["images"] && found["annotations"]) {
			return nil, nil // something else under these names
		}
		if err != nil {
			return nil, err
		}
	}
	if !found["images"] || !found["annotations"] {
		return nil, nil
	}
	_, err := d.Token()
	return &c, err
}

// skipMark drops a byte-order mark.
func skipMark(r io.Reader) io.Reader {
	mark := make([]byte, 3)
	n, _ := io.ReadFull(r, mark)
	return io.MultiReader(bytes.NewReader(text(mark[:n])), r)
}

// eachElement visits the elements of an array, one in memory at a time.
func eachElement[T any](d *json.Decoder, visit func(T)) error {
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("want a list, not %v", t)
	}
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		visit(v)
	}
	_, err := d.Token()
	return err
}

// addCOCO gives the pictures what their annotations say.
func (l *listing) addCOCO(f files.File, c *coco) error {
	categories := map[int64]int{}
	slices.SortFunc(c.categories, func(a, b cocoCategory) int { return int(a.ID - b.ID) })
	for _, t := range c.categories {
		i := slices.Index(l.categories, t.Name)
		if i < 0 {
			i = len(l.categories)
			l.categories = append(l.categories, t.Name)
		}
		categories[t.ID] = i
	}
	pictures := map[int64]*entry{}
	sizes := map[int64]cocoImage{}
	for _, i := range c.images {
		e, err := l.cocoPicture(f, i.FileName)
		if err != nil {
			return err
		}
		if e != nil {
			e.taken, e.rows, l.annotated = true, true, true
			pictures[i.ID], sizes[i.ID] = e, i
		}
	}
	for _, n := range c.notes {
		e, size := pictures[n.Image], sizes[n.Image]
		if e == nil {
			continue
		}
		if n.Caption != "" {
			if len(e.Texts) == 0 {
				l.sources[path.Base(f.Name)]++
			}
			e.addTexts([]string{strings.TrimSpace(n.Caption)})
		}
		class, known := categories[n.Category]
		if len(n.Box) != 4 || size.Width <= 0 || size.Height <= 0 {
			continue
		}
		if !known {
			return fmt.Errorf("an annotation has category_id %d, which categories do not have", n.Category)
		}
		outline, err := parseOutline(n.Outline, size.Width, size.Height)
		if err != nil {
			return fmt.Errorf("%s: %w", size.FileName, err)
		}
		e.Boxes = append(e.Boxes, Box{class, n.Box[0] / size.Width, n.Box[1] / size.Height, n.Box[2] / size.Width, n.Box[3] / size.Height,
			n.Crowd == true || n.Crowd == 1.0, outline})
	}
	return nil
}

// cocoPicture finds a picture that annotations name: from the folder of the
// annotations, from the top, or by its file's name alone, where the folder may
// have to match the annotations' name (instances_train2017, train2017).
func (l *listing) cocoPicture(f files.File, name string) (*entry, error) {
	name = strings.ReplaceAll(name, `\`, "/")
	for _, dir := range []string{path.Dir(f.Name), ".", path.Dir(path.Dir(f.Name)), "images", path.Join(path.Dir(f.Name), "images")} {
		if e := l.byKey[withShard(f, path.Join(dir, name))]; e != nil {
			return l.inSplit(e), nil
		}
	}
	if l.byBase == nil {
		l.byBase = map[string][]*entry{}
		for _, e := range l.byKey {
			base := path.Base(e.source.Name)
			l.byBase[base] = append(l.byBase[base], e)
		}
	}
	found := l.byBase[path.Base(name)]
	for _, e := range found {
		folder := path.Base(path.Dir(e.source.Name))
		if len(found) == 1 || strings.Contains(stem(path.Base(f.Name)), folder) {
			return l.inSplit(e), nil
		}
	}
	if l.split != "" && !strings.Contains(path.Base(f.Name), strings.TrimSuffix(l.split, "/")) {
		return nil, nil // annotations of another split
	}
	return l.named(f, name)
}

func (l *listing) inSplit(e *entry) *entry {
	if !strings.HasPrefix(e.source.Name, l.split) {
		return nil
	}
	return e
}
