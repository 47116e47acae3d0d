// Package emoji prepares the Fluent emoji pictures as a captioned folder, for
// training a small text-to-image model.
//
// The pictures come from the npm package @lobehub/fluent-emoji-3d and their
// names from emojibase-data, both MIT, through the npm client.
package emoji

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/picture"
)

// Options of Prepare.
type Options struct {
	Size       int  // side of the pictures in pixels; 0: 128
	Flags      bool // with the flags of countries
	SkinTones  bool // with the variants of skin tone
	Validation int  // per cent of the base emoji held out; 0: 5
	Progress   func(done, total int)
}

// Counts says what Prepare wrote.
type Counts struct{ Train, Validation int }

const flagsGroup = 9

// Prepare writes dir/train and dir/validation, each with PNG pictures on white
// and a metadata.jsonl. Variants of one emoji are all on the same side. dir must
// not exist; it appears only when everything is there.
func Prepare(ctx context.Context, dir string, o Options) (Counts, error) {
	if o.Size == 0 {
		o.Size = 128
	}
	if o.Validation == 0 {
		o.Validation = 5
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return Counts{}, fmt.Errorf("%s is there already: remove it or choose another folder", dir)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".emoji-*")
	if err != nil {
		return Counts{}, err
	}
	defer os.RemoveAll(tmp)
	pictures, names, err := fetch(ctx, tmp)
	if err != nil {
		return Counts{}, err
	}
	list, err := describe(names, o)
	if err != nil {
		return Counts{}, err
	}
	out := filepath.Join(tmp, "out")
	counts, err := write(ctx, out, pictures, list, o)
	if err != nil {
		return counts, err
	}
	return counts, os.Rename(out, dir)
}

// emoji is one picture and what is said of it.
type emoji struct {
	FileName string   `json:"file_name"`
	Text     string   `json:"text"`
	Texts    []string `json:"texts,omitempty"`
	Base     string   `json:"base"` // the emoji without skin tone
	Group    int      `json:"group"`
	SkinTone bool     `json:"skin_tone,omitempty"`

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
	article := "a "
	if strings.ContainsRune("aeiou", rune(label[0])) {
		article = "an "
	}
	e.Texts = []string{article + label}
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
func write(ctx context.Context, out string, pictures map[string]string, list []emoji, o Options) (Counts, error) {
	var counts Counts
	parts := map[bool][]emoji{}
	for _, e := range list {
		if pictures[e.hexcode] != "" {
			held := e.heldOut(o.Validation)
			parts[held] = append(parts[held], e)
		}
	}
	counts.Train, counts.Validation = len(parts[false]), len(parts[true])
	done := 0
	for held, folder := range map[bool]string{false: "train", true: "validation"} {
		folder = filepath.Join(out, folder)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return counts, err
		}
		for _, e := range parts[held] {
			if err := ctx.Err(); err != nil {
				return counts, err
			}
			img, err := picture.Decode(pictures[e.hexcode])
			if err != nil {
				return counts, err
			}
			if err := picture.Save(filepath.Join(folder, e.FileName), picture.Square(img, o.Size), picture.Options{}); err != nil {
				return counts, err
			}
			if done++; o.Progress != nil {
				o.Progress(done, counts.Train+counts.Validation)
			}
		}
		if err := writeMetadata(filepath.Join(folder, data.MetadataFile), parts[held]); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func writeMetadata(path string, list []emoji) error {
	return checkpoint.Atomic(path, func(w io.Writer) error {
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
