// Package emoji prepares the Fluent emoji pictures as a captioned folder, for
// training a small text-to-image model.
//
// The pictures come from the npm package @lobehub/fluent-emoji-3d and their
// names from emojibase-data, both MIT, through the npm client.
package emoji

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/fetch"
	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture"
)

// Options of Prepare.
type Options struct {
	Size       int  // side of the pictures in pixels
	Flags      bool // with the flags of countries
	SkinTones  bool // with the variants of skin tone
	Validation int  // per cent of the base emoji held out
	Composed   bool // with compositions: emoji in other colours, with things on, in pairs; and a split test of HeldOut
	Progress   func(done, total int)
}

// Counts says what Prepare wrote.
type Counts struct{ Train, Validation, Test int }

const flagsGroup = 9

// Prepare writes dir/train and dir/validation, each with PNG pictures on white
// and a metadata.jsonl. Variants of one emoji are all on the same side. dir must
// not exist; it appears only when everything is there.
func Prepare(ctx context.Context, dir string, o Options) (counts Counts, err error) {
	if o.Size < 1 || o.Validation < 0 || o.Validation > 99 {
		return counts, fault.Inputf("pictures of %d pixels, %d per cent held out: want at least 1 pixel, and 0 to 99 per cent", o.Size, o.Validation)
	}
	err = output.Folder(dir, func(tmp string) error {
		pictures, err := openPackage(ctx, picturesPackage)
		if err != nil {
			return err
		}
		defer pictures.Close()
		names, err := openPackage(ctx, namesPackage)
		if err != nil {
			return err
		}
		defer names.Close()
		file, there := names.Lookup("", "en/data.json")
		if !there {
			return fault.Filef("%s has no en/data.json", namesPackage.Name)
		}
		raw, err := file.Read(maxFile)
		if err != nil {
			return err
		}
		list, err := describe(raw, o)
		if err != nil {
			return err
		}
		counts, err = write(ctx, tmp, byHexcode(pictures), list, o)
		return err
	})
	return counts, err
}

// The packages, at fixed versions, so that the data set does not change.
var (
	picturesPackage = fetch.Package{Name: "@lobehub/fluent-emoji-3d", Version: "1.1.0", SHA256: "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"}
	namesPackage    = fetch.Package{Name: "emojibase-data", Version: "17.0.0", SHA256: "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"}
)

const maxFile = 64 << 20 // of a file in them

func openPackage(ctx context.Context, p fetch.Package) (*files.Tree, error) {
	path, err := p.Get(ctx)
	if err != nil {
		return nil, err
	}
	return files.Open(path)
}

// byHexcode finds the pictures.
func byHexcode(t *files.Tree) map[string]files.File {
	pictures := map[string]files.File{}
	for _, f := range t.Files {
		if path.Ext(f.Name) == ".webp" {
			pictures[plain(strings.TrimSuffix(path.Base(f.Name), ".webp"))] = f
		}
	}
	return pictures
}

// emoji is one picture and what is said of it.
type emoji struct {
	FileName string   `json:"file_name"`
	Text     string   `json:"text"`
	Texts    []string `json:"texts,omitempty"`
	Base     string   `json:"base"` // the emoji without skin tone
	Group    int      `json:"group"`
	SkinTone bool     `json:"skin_tone,omitempty"`
	Composed bool     `json:"composed,omitempty"`

	hexcode string
}

// record is an entry of emojibase's data.json.
type record struct {
	Label   string   `json:"label"`
	Hexcode string   `json:"hexcode"`
	Tags    []string `json:"tags"`
	Group   *int     `json:"group"`
	Skins   []record `json:"skins"`
}

// describe lists the wanted emoji with their captions.
func describe(raw []byte, o Options) ([]emoji, error) {
	var records []record
	if err := json.Unmarshal(raw, &records); err != nil {
		return nil, fmt.Errorf("emojibase-data: %w", err)
	}
	var list []emoji
	for _, r := range records {
		group := -1
		if r.Group != nil {
			group = *r.Group
		}
		if group < 0 || group == flagsGroup && !o.Flags {
			continue
		}
		list = append(list, r.emoji(r, group))
		if !o.SkinTones {
			continue
		}
		for _, skin := range r.Skins {
			skin.Tags = r.Tags
			list = append(list, skin.emoji(r, group))
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].hexcode < list[j].hexcode })
	return list, nil
}

func (r record) emoji(base record, group int) emoji {
	label := strings.ToLower(r.Label)
	e := emoji{Text: label, Base: base.Hexcode, Group: group, SkinTone: r.Hexcode != base.Hexcode, hexcode: plain(r.Hexcode)}
	e.FileName = e.hexcode + ".png"
	e.Texts = []string{article(label) + label}
	if len(r.Tags) > 0 {
		e.Texts = append(e.Texts, label+", "+strings.Join(r.Tags[:min(4, len(r.Tags))], ", "))
	}
	return e
}

// plain is a hexcode without the variation selector, which one of the packages
// writes where the other does not.
func plain(hexcode string) string {
	return strings.ReplaceAll(strings.ToLower(hexcode), "-fe0f", "")
}

// heldOut decides by the base emoji, so that variants stay together.
func (e emoji) heldOut(percent int) bool {
	h := fnv.New32a()
	io.WriteString(h, e.Base)
	return int(h.Sum32()%100) < percent
}

// write converts the pictures; an emoji without one is left out.
func write(ctx context.Context, out string, pictures map[string]files.File, list []emoji, o Options) (Counts, error) {
	parts := map[string][]emoji{}
	for _, e := range list {
		if _, there := pictures[e.hexcode]; there {
			folder := "train"
			if e.heldOut(o.Validation) {
				folder = "validation"
			}
			parts[folder] = append(parts[folder], e)
		}
	}
	total := len(parts["train"]) + len(parts["validation"])
	if o.Composed {
		more, err := compose(ctx, out, pictures, parts, o)
		if err != nil {
			return Counts{}, err
		}
		parts["train"], parts["test"] = append(parts["train"], more["train"]...), more["test"]
	}
	counts := Counts{len(parts["train"]), len(parts["validation"]), len(parts["test"])}
	work := make([]fetch.Conversion, 0, total)
	for folder, emoji := range parts {
		folder = filepath.Join(out, folder)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return counts, err
		}
		for _, e := range emoji {
			if e.Composed { // drawn already
				continue
			}
			work = append(work, fetch.Conversion{From: pictures[e.hexcode], To: filepath.Join(folder, e.FileName)})
		}
		if err := writeMetadata(filepath.Join(folder, data.MetadataFile), emoji); err != nil {
			return counts, err
		}
	}
	square := func(img *image.NRGBA) image.Image { return picture.Square(img, o.Size) }
	return counts, fetch.Convert(ctx, work, square, picture.Options{}, o.Progress)
}

// compose draws the compositions of the training emoji, and puts held-out emoji to the
// test split, which is those of HeldOut that there are.
func compose(ctx context.Context, out string, pictures map[string]files.File, parts map[string][]emoji, o Options) (map[string][]emoji, error) {
	train, test, labels := compositions(parts["train"])
	var mu sync.Mutex
	done, total := 0, len(train)+len(test)
	progress := func() {
		mu.Lock()
		defer mu.Unlock()
		if done++; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	made := map[string][]emoji{}
	for folder, list := range map[string][]composition{"train": train, "test": test} {
		path := filepath.Join(out, folder)
		if err := os.MkdirAll(path, 0o777); err != nil {
			return nil, err
		}
		var err error
		if made[folder], err = writeCompositions(ctx, path, list, labels, pictures, o.Size, progress); err != nil {
			return nil, err
		}
	}
	held := HeldOut()
	for _, e := range parts["validation"] {
		if slices.Contains(held, e.Text) {
			made["test"] = append(made["test"], e)
		}
	}
	slices.SortStableFunc(made["test"], func(a, b emoji) int { return slices.Index(held, a.Text) - slices.Index(held, b.Text) })
	return made, nil
}

func writeMetadata(path string, list []emoji) error {
	return output.Write(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, e := range list {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return nil
	})
}
