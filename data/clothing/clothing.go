// Package clothing prepares photographs of clothes, homes and people, which are in
// the public domain (CC0), as folders of classes: for first stages, upscaling
// and inpainting.
//
// They are Alexey Grigorev's clothing-dataset-small, which comes through git.
package clothing

import (
	"context"
	"image"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/data/fetch"
	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture"
)

// source is the public repository at the commit that has the pictures.
var source = fetch.Repository{
	URL:    "https://github.com/alexeygrigorev/clothing-dataset-small",
	Commit: "36364be1969242c019705255cd87aed00c73a939",
}

// Options of Prepare.
type Options struct {
	Size     int    // of the shorter side in pixels
	Quality  int    // of the JPEGs, 1 to 100
	From     string // a folder or archive with train, validation and test, instead of the public source
	Progress func(done, total int)
}

// Counts says what Prepare wrote, by split.
type Counts map[string]int

// Prepare writes dir/train, dir/validation and dir/test with a folder for each of
// the ten classes: upright JPEGs of which none is enlarged. dir must not exist;
// it appears only when everything is there.
func Prepare(ctx context.Context, dir string, o Options) (Counts, error) {
	if o.Size < 1 || o.Quality < 1 || o.Quality > 100 {
		return nil, fault.Inputf("pictures of %d pixels in quality %d: want at least 1, and 1 to 100", o.Size, o.Quality)
	}
	counts := Counts{}
	err := output.Folder(dir, func(tmp string) error {
		from := o.From
		if from == "" {
			var err error
			if from, err = source.Get(ctx); err != nil {
				return err
			}
		}
		tree, err := files.Open(from)
		if err != nil {
			return err
		}
		defer tree.Close()
		work, err := plan(tree, tmp, counts)
		if err != nil {
			return err
		}
		shrink := func(img *image.NRGBA) image.Image { return shrink(img, o.Size) }
		return fetch.Convert(ctx, work, shrink, picture.Options{Quality: o.Quality}, o.Progress)
	})
	return counts, err
}

// plan lists what is to be converted: split/class/name.
func plan(tree *files.Tree, out string, counts Counts) ([]fetch.Conversion, error) {
	var work []fetch.Conversion
	for _, f := range tree.Files {
		parts := strings.Split(f.Name, "/")
		if !picture.IsPicture(f.Name) || len(parts) != 3 || !slices.Contains([]string{"train", "validation", "test"}, parts[0]) {
			continue
		}
		folder := filepath.Join(out, parts[0], parts[1])
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(parts[2], path.Ext(parts[2])) + ".jpg"
		work = append(work, fetch.Conversion{From: f, To: filepath.Join(folder, name)})
		counts[parts[0]]++
	}
	if len(work) == 0 {
		return nil, fault.Inputf("no pictures in train/CLASS, validation/CLASS or test/CLASS")
	}
	return work, nil
}

// shrink scales a picture so that its shorter side has that many pixels, if it
// has more.
func shrink(img *image.NRGBA, side int) image.Image {
	size := img.Rect.Size()
	short := min(size.X, size.Y)
	if short <= side {
		return img
	}
	scale := func(n int) int { return (n*side + short/2) / short }
	return picture.Resize(picture.OnWhite(img), scale(size.X), scale(size.Y), picture.Lanczos)
}
