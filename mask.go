package ldm

import (
	"image"
	"image/color"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// greys turns a mask into [1, H, W, 1] in [0, 1]: 0 black or transparent, 1 white.
func greys(img image.Image) *tensor.Tensor {
	b := img.Bounds()
	t := tensor.New(1, b.Dy(), b.Dx(), 1)
	for i := range t.F32 {
		grey := color.Gray16Model.Convert(img.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx())).(color.Gray16)
		t.F32[i] = float32(grey.Y) / 0xffff
	}
	return t
}

// oneHot turns a picture of labels, the indices of a palette or levels of grey,
// into [1, H, W, classes], 1 in the channel of the label and 0 elsewhere.
func oneHot(img image.Image, classes int) (*tensor.Tensor, error) {
	b := img.Bounds()
	var label func(x, y int) int
	switch img := img.(type) {
	case *image.Paletted:
		label = func(x, y int) int { return int(img.ColorIndexAt(x, y)) }
	case *image.Gray:
		label = func(x, y int) int { return int(img.GrayAt(x, y).Y) }
	case *image.Gray16:
		label = func(x, y int) int { return int(img.Gray16At(x, y).Y) }
	default:
		return nil, fault.Inputf("this model wants a map of labels: a picture with a palette, or in grey, whose values are labels from 0 to %d; it is a %T", classes-1, img)
	}
	t := tensor.New(1, b.Dy(), b.Dx(), classes)
	for i := range b.Dx() * b.Dy() {
		x, y := i%b.Dx(), i/b.Dx()
		l := label(b.Min.X+x, b.Min.Y+y)
		if l >= classes {
			return nil, fault.Inputf("the pixel at %d, %d of the map has label %d: want 0 to %d", x, y, l, classes-1)
		}
		t.F32[i*classes+l] = 1
	}
	return t, nil
}

// shrink gives every cell of a latent the largest value of the f x f pixels of a
// mask [1, H, W, 1] that it stands for: what is partly to be made is made.
func shrink(mask *tensor.Tensor, f int) *tensor.Tensor {
	h, w := mask.Shape[1]/f, mask.Shape[2]/f
	out := tensor.New(1, h, w, 1)
	for i, v := range mask.F32 {
		y, x := i/(w*f), i%(w*f)
		cell := &out.F32[y/f*w+x/f]
		*cell = max(*cell, v)
	}
	return out
}

// paste puts the black part of a mask of the pictures [1, H, W, 3] in known back
// into made, which has several.
func paste(made, known, mask *tensor.Tensor) {
	for n := range made.Shape[0] {
		row := made.Row(n).F32
		for i, v := range row {
			m := mask.F32[i/made.Shape[3]]
			row[i] = min(max(v, -1), 1)*m + (1-m)*known.F32[i]
		}
	}
}
