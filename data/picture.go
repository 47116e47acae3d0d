package data

import (
	"fmt"
	"image"
	"os"

	"golang.org/x/image/draw"

	"github.com/ldm-go/ldm/tensor"
)

// Pictures lists the pictures that paths name: files, and those in folders and
// below them.
func Pictures(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			files = append(files, path)
			continue
		}
		set, err := Open(path, 1)
		if err != nil {
			return nil, err
		}
		for _, item := range set.Items {
			files = append(files, item.File)
		}
	}
	return files, nil
}

// Read reads a picture as [1, H, W, 3] in [-1, 1], on a white ground where it
// is transparent. With size, its largest centred square is scaled to size x
// size; without, it keeps its size, less what is cut off at the rim so that
// height and width are multiples of unit.
func Read(path string, size, unit int) (*tensor.Tensor, error) {
	img, err := Decode(path)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		if size%unit != 0 {
			return nil, fmt.Errorf("size %d: want a multiple of %d", size, unit)
		}
		return toTensor(Square(img, size)), nil
	}
	b := img.Bounds()
	w, h := b.Dx()/unit*unit, b.Dy()/unit*unit
	if w == 0 || h == 0 {
		return nil, fmt.Errorf("%s has %dx%d pixels: want at least %dx%d", path, b.Dx(), b.Dy(), unit, unit)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), img, b.Min.Add(image.Pt((b.Dx()-w)/2, (b.Dy()-h)/2)), draw.Over)
	return toTensor(out), nil
}

func toTensor(img *image.RGBA) *tensor.Tensor {
	b := img.Bounds()
	t := tensor.New(1, b.Dy(), b.Dx(), 3)
	for i := range b.Dx() * b.Dy() {
		for c := range 3 {
			t.F32[i*3+c] = float32(img.Pix[i*4+c])/127.5 - 1
		}
	}
	return t
}
