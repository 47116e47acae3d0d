package data

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// listing is a tree's files while it is found out what they say of each other.
type listing struct {
	tree     *files.Tree
	split    string // the folder at the top that is read, with a slash; or empty
	Split    string // its role
	want     string // the role that is wanted
	pictures []*entry
	byKey    map[string]*entry // pictures by the keys of their files
	used     map[string]bool   // other files that said something, by their keys
	sources  map[string]int    // how many pictures got captions from where
	unknown  map[string]bool   // keys of metadata without a meaning here
	labels   bool              // classes come from labels, not from folders

	paired     string              // the folder of the pictures, of several side by side
	annotated  bool                // COCO's annotations, or a list of the split, name the pictures
	categories []string            // of boxes
	outlines   bool                // are wanted
	byBase     map[string][]*entry // pictures by their files' names without folders
	folded     map[string]*entry   // pictures by their keys in small letters, accents composed; nil for two of them
	byStem     map[string]string   // their names by those without folders, with and without extension
}

// entry is a picture of a listing.
type entry struct {
	Item
	class string
	taken bool // part of the set
	rows  bool // a metadata file names it
	aside bool // no picture of the set, but a companion
	goes  bool // with a picture of the set
}

// splits are the names that folders of a split have, as Hugging Face knows them.
var splits = map[string]string{
	"train": "train", "training": "train",
	"validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
	"test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}

func newListing(tree *files.Tree, o Options) (*listing, error) {
	split := o.Split
	l := &listing{tree: tree, outlines: o.Outlines, byKey: map[string]*entry{}, used: map[string]bool{}, sources: map[string]int{}, unknown: map[string]bool{}}
	tops := map[string]bool{}
	for _, f := range tree.Files {
		if picture.IsPicture(f.Name) {
			top, _, inside := strings.Cut(f.Name, "/")
			if !inside {
				top = ""
			}
			tops[top] = true
		}
	}
	if err := l.choose(tops, split); err != nil {
		return nil, err
	}
	for _, f := range tree.Files {
		if !picture.IsPicture(f.Name) {
			continue
		}
		e := &entry{Item: Item{File: f.Path(), Class: -1, Repeats: 1, source: f}}
		l.byKey[f.Key()] = e
		if strings.HasPrefix(f.Name, l.split) {
			l.pictures = append(l.pictures, e)
		}
	}
	return l, nil
}

var errNoSplit = fault.Inputf("no pictures for the split")

// choose finds the folder of the split that is wanted, if all pictures lie in
// folders with such names.
func (l *listing) choose(tops map[string]bool, want string) error {
	role := want
	if role == "" {
		role = "train"
	} else if splits[role] == "" {
		return fault.Inputf("split %q: want train, validation or test", want)
	}
	role = splits[role]
	l.want = role
	roles := map[string]string{}
	for top := range tops {
		r, ok := splits[strings.TrimRight(strings.ToLower(top), "-_0123456789")] // also train2017
		if !ok {
			roles = nil
			break
		}
		roles[r] = top
	}
	top, there := roles[role]
	switch {
	case there:
		l.split, l.Split = top+"/", role
	case len(roles) == 1 && want == "":
		for r, top := range roles { // a set of one split: the folder is no class
			l.split, l.Split = top+"/", r
		}
	case want != "" && !l.hasTable(role):
		return fmt.Errorf("%w %q: want a folder of that name", errNoSplit, want)
	}
	return nil
}

// hasTable says whether there is a list of pictures for a split.
func (l *listing) hasTable(role string) bool {
	return slices.ContainsFunc(l.tree.Files, func(f files.File) bool {
		ext := strings.ToLower(path.Ext(f.Name))
		return (ext == ".csv" || ext == ".tsv" || ext == ".jsonl") && splits[strings.ToLower(stem(path.Base(f.Name)))] == role
	})
}

// describe finds what is said of the pictures, the most explicit first.
func (l *listing) describe() error {
	if err := l.readMetadata(); err != nil {
		return err
	}
	if err := l.readCOCO(); err != nil {
		return err
	}
	if err := l.readCompanions(); err != nil {
		return err
	}
	l.readPairs()
	l.readFolders()
	return nil
}

var repeats = regexp.MustCompile(`^([1-9][0-9]{0,4})_(.+)$`)

// readFolders takes the pictures that no metadata governs, with the first
// folder below the set as their class.
func (l *listing) readFolders() {
	kohya := l.isKohya()
	for _, e := range l.pictures {
		if e.aside || !e.taken && (l.annotated || l.governed(e)) {
			continue
		}
		e.taken = true
		folder := l.folder(e)
		if folder == "" || e.rows {
			continue
		}
		if kohya {
			m := repeats.FindStringSubmatch(folder)
			e.Repeats, _ = strconv.Atoi(m[1])
			folder = m[2]
		}
		if e.class == "" {
			e.class = folder
		}
		if len(e.Texts) == 0 {
			e.Texts = []string{folder}
			l.sources["names of folders"]++
		}
	}
}

// folder is the first folder of a picture below the set, the split, and the
// folder of pictures of several side by side; empty if it lies in none.
func (l *listing) folder(e *entry) string {
	folder, rest, inside := strings.Cut(strings.TrimPrefix(e.source.Name, l.split), "/")
	if l.paired != "" {
		folder, _, inside = strings.Cut(rest, "/")
	}
	if !inside {
		return ""
	}
	return norm.NFC.String(folder) // Macs write accents as letters of their own
}

// isKohya says whether all pictures lie in folders 10_name. Folders numbered in
// turn (1_cat, 2_dog, 3_owl) are classes with numbers, not repeats.
func (l *listing) isKohya() bool {
	folders := map[string]int{} // with their numbers
	for _, e := range l.pictures {
		if e.aside {
			continue
		}
		folder := l.folder(e)
		m := repeats.FindStringSubmatch(folder)
		if m == nil {
			return false
		}
		folders[folder], _ = strconv.Atoi(m[1])
	}
	numbers := slices.Sorted(maps.Values(folders))
	inTurn := len(numbers) > 1
	for i, n := range numbers {
		inTurn = inTurn && n == i+1
	}
	return len(numbers) > 0 && !inTurn
}

// items are the pictures of the set, in the order of their files.
func (l *listing) items() []Item {
	var list []Item
	for _, e := range l.pictures {
		if e.taken {
			list = append(list, e.Item)
		}
	}
	return list
}

// classes are the names of the items' classes, empty for none.
func (l *listing) classes() []string {
	var list []string
	for _, e := range l.pictures {
		if e.taken {
			list = append(list, e.class)
		}
	}
	return list
}

// sortClasses lists each name once. Labels that are numbers (of a metadata file,
// or .cls) are the numbers of their classes: 0 to the largest.
func sortClasses(names []string, labels bool) []string {
	list := slices.Compact(slices.Sorted(slices.Values(names)))
	if len(list) > 0 && list[0] == "" {
		list = list[1:]
	}
	const most = 1 << 20
	last := -1
	for _, name := range list {
		n, err := strconv.Atoi(name)
		if !labels || err != nil || n < 0 || n > most || strconv.Itoa(n) != name {
			return list
		}
		last = max(last, n)
	}
	list = list[:0]
	for n := range last + 1 {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// stem is a file's path without its last extension.
func stem(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
