// Package data reads sets of pictures for training: folders, archives and
// shards of them, with classes, captions, boxes and companions in the forms
// that people have them in; and it deals them out in batches, as channels-last
// float32 in [-1, 1].
package data

import (
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Item is a picture with what is known about it.
type Item struct {
	File    string          // where it lies, for messages and lists
	Class   int             // place in Set.Classes, or -1
	Texts   []string        // captions, the first the main one
	Repeats int             // how often an epoch shows it, at least 1
	Boxes   []Box           // what is where in it
	Others  map[string]File // companions: "mask", "input", ... by their names
	Width   int             // pixels, upright; 0 where the header was not read
	Height  int

	source files.File
}

// File is a companion of a picture.
type File struct{ source files.File }

// Path says where it lies.
func (f File) Path() string { return f.source.Path() }

// Read returns its content.
func (f File) Read() ([]byte, error) { return f.source.Read(maxPicture) }

const maxPicture = 1 << 30 // bytes of a file

// Set is a set of pictures of one size.
type Set struct {
	Items   []Item
	Classes []string // names, of which Item.Class is a place
	Size    int      // side of the squares that Fill gives, in pixels
	Summary Summary  // what was found

	Categories []string // names of what boxes hold, of which Box.Class is a place

	tree    *files.Tree
	pixels  pixels
	broken  brokenList
	state   states
	options Options

	buckets   []image.Point // shapes by picture; none: all squares
	lookahead lookahead
	labels    labelTable
}

// Options of OpenSet.
type Options struct {
	Size       int      // side in pixels
	Split      string   // train, validation or test, where there are folders of these names; empty: train
	Classes    []string // the names that classes must have, in this order: a validation set's are those of training
	MaxBroken  float64  // the share of pictures that may be broken; 0: a tenth. One always may
	Outlines   bool     // keep the shapes of what boxes hold, for Instances
	RandomCrop bool     // cut anywhere, not in the centre
	Zoom       float64  // random crops show a picture up to so many times as large as it just covers, never enlarged; 0: 1
	Crops      int      // random crops of a picture that there are, drawn once; 0: a new one each time
	NoHeaders  bool     // do not read the pictures' headers: for lists of files that are read one by one
	// Err, if set, is asked between two headers; an error of it ends OpenSet, as that of
	// a context does, whose Err this is meant to be.
	Err func() error
}

// What Options.Zoom and Options.Crops may be at most.
const maxZoom, maxCrops = 16, 1 << 16

// Open lists the pictures at a place for training at size x size: see OpenSet.
func Open(place string, size int) (*Set, error) { return OpenSet(place, Options{Size: size}) }

// OpenSet lists the pictures at a place: a folder, an archive (zip, tar, tgz),
// or a pattern of shards; see package files. What is said of them is found
// where the common conventions have it:
//
//   - metadata.jsonl and metadata.csv, in any folder, as Hugging Face's
//     imagefolder has them, with file_name and text (or another usual key);
//   - a.txt or a.caption beside a.png, a line a caption; in shards of
//     WebDataset also a.json and a.cls;
//   - folders of classes: the first below the place names the class, and is the
//     caption where there is no other; of kohya's folders 10_name, name is the
//     class and 10 how often an epoch shows their pictures;
//   - COCO's instances and captions, in a JSON file anywhere in the set.
//
// Folders train, validation and test at the top are splits of a set.
func OpenSet(place string, o Options) (*Set, error) {
	if o.Size < 1 {
		return nil, fault.Inputf("pictures of %d pixels: want at least 1", o.Size)
	}
	if (o.Zoom != 0 || o.Crops != 0) && !o.RandomCrop || !(o.Zoom == 0 || o.Zoom >= 1 && o.Zoom <= maxZoom) || o.Crops < 0 || o.Crops > maxCrops {
		return nil, fault.Inputf("zoom %g and %d crops: want 1 to %d and 0 to %d, with random crops", o.Zoom, o.Crops, maxZoom, maxCrops)
	}
	if o.MaxBroken < 0 || o.MaxBroken > 1 {
		return nil, fault.Inputf("a share of %g broken pictures: want 0 to 1", o.MaxBroken)
	}
	tree, err := files.Open(place)
	if err != nil {
		return nil, err
	}
	s := &Set{Size: o.Size, tree: tree, options: o}
	if err := s.assemble(place); err != nil {
		tree.Close()
		return nil, err
	}
	s.pixels.init(len(s.Items))
	s.state.list = make([]byte, len(s.Items))
	return s, nil
}

// Close closes the archives that the set reads from.
func (s *Set) Close() error {
	s.lookahead.running.Wait()
	if s.tree == nil {
		return nil
	}
	return s.tree.Close()
}

// assemble puts the items together from what the tree holds.
func (s *Set) assemble(place string) error {
	l, err := newListing(s.tree, s.options)
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	if err := l.describe(); err != nil {
		return err
	}
	s.Items, s.Categories = l.items(), l.categories
	if err := s.number(l.classes(), l.labels, place); err != nil {
		return err
	}
	s.Summary = l.summary()
	if len(s.Items) == 0 {
		return s.empty(place)
	}
	if !s.options.NoHeaders {
		if err := s.checkHeaders(); err != nil {
			if s.options.Err != nil && s.options.Err() != nil {
				return err // the caller's own
			}
			return fmt.Errorf("%s: %w", place, err)
		}
	}
	s.summarise()
	return nil
}

// number turns the names of classes into numbers.
func (s *Set) number(names []string, labels bool, place string) error {
	given := s.options.Classes
	s.Classes = given
	if given == nil {
		s.Classes = sortClasses(names, labels)
	}
	places := make(map[string]int, len(s.Classes))
	for i, name := range s.Classes {
		places[name] = i
	}
	for i, name := range names {
		s.Items[i].Class = -1
		if name == "" {
			continue
		}
		at, known := places[name]
		if !known {
			return fault.Inputf("%s: %s has the class %q, which is not among those of training: %s",
				place, s.Items[i].File, name, strings.Join(given, ", "))
		}
		s.Items[i].Class = at
	}
	return nil
}

func (s *Set) empty(place string) error {
	reason := "no pictures (" + strings.Join(picture.Extensions, ", ") + ") in it"
	if n := s.Summary.UnusedCount; n > 0 {
		reason += fmt.Sprintf("; %d other files, such as %s", n, s.Summary.Unused[0])
	}
	return fault.Inputf("%s: %s", place, reason)
}

// Len is the number of pictures.
func (s *Set) Len() int { return len(s.Items) }

// RequireClasses is an error unless every picture has a class.
func (s *Set) RequireClasses() error {
	if len(s.Classes) == 0 {
		return fault.Inputf("no picture has a class: want a folder for each class, with its name, or a label in the metadata")
	}
	i := slices.IndexFunc(s.Items, func(it Item) bool { return it.Class < 0 })
	if i < 0 {
		return nil
	}
	return fault.Inputf("%s has no class: it lies beside the class folders (%s); move it into one of them, or away",
		s.Items[i].File, strings.Join(s.Classes[:min(4, len(s.Classes))], ", "))
}

// RequireCaptions is an error if no picture has a caption.
func (s *Set) RequireCaptions() error {
	if slices.ContainsFunc(s.Items, func(it Item) bool { return len(it.Texts) > 0 }) {
		return nil
	}
	hint := ""
	if len(s.Summary.UnknownKeys) > 0 {
		hint = fmt.Sprintf(" (the metadata has the keys %s)", strings.Join(s.Summary.UnknownKeys, ", "))
	}
	return fault.Inputf("no picture has a caption%s: want one of %s in %s or %s, a .txt or .caption file beside each picture, or folders whose names say what is in them",
		hint, strings.Join(captionKeys[:4], ", "), MetadataFile, "metadata.csv")
}

// Pictures lists the pictures that paths name: files, and those in folders and
// below them.
func Pictures(paths []string) ([]string, error) {
	var list []string
	for _, path := range paths {
		if picture.IsPicture(path) {
			list = append(list, path)
			continue
		}
		tree, err := files.Open(filepath.Clean(path))
		if err != nil {
			return nil, err
		}
		tree.Close()
		found := len(list)
		for _, f := range tree.Files {
			if picture.IsPicture(f.Name) && tree.Shards == 0 {
				list = append(list, f.Path())
			}
		}
		if found == len(list) {
			return nil, fault.Inputf("%s: no pictures (%s) in it", path, strings.Join(picture.Extensions, ", "))
		}
	}
	return list, nil
}
