package main

import (
	"image"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
)

// unitOf is what the sides of a model's pictures are multiples of.
func unitOf(m *ldm.Model) int { return m.FirstStage().Factor() * m.Network().UNet.Factor() }

// up is the next multiple.
func up(v, unit int) int { return (v + unit - 1) / unit * unit }

// makeFit makes a request's size legal where --fit is given, with its pictures
// larger at the right and at the bottom, and says how pictures get their own size
// back.
func (f *drawFlags) makeFit(m *ldm.Model, r *ldm.Request) (finish, error) {
	same := func(img image.Image, _ uint64) (image.Image, error) { return img, nil }
	size := image.Pt(r.Width, r.Height)
	start := startOf(*r)
	if start != nil {
		if s := start.Bounds().Size(); size.X == 0 || size.Y == 0 {
			size = s
		}
	}
	unit := unitOf(m)
	legal := image.Pt(up(size.X, unit), up(size.Y, unit))
	if !f.fit || legal == size || size == (image.Point{}) {
		return same, nil
	}
	r.Width, r.Height = legal.X, legal.Y
	enlarge := func(img image.Image) image.Image {
		if img == nil {
			return nil
		}
		return retouch.Enlarge(img, max(legal.X, 1), max(legal.Y, 1))
	}
	r.Start, r.Mask = enlarge(r.Start), enlarge(r.Mask)
	if c, ok := r.Condition.(ldm.Masked); ok {
		c.Image, c.Mask = enlarge(c.Image), enlarge(c.Mask)
		r.Condition = c
	}
	return func(img image.Image, _ uint64) (image.Image, error) {
		b := img.Bounds().Size()
		if size.X == 0 {
			size.X = b.X
		}
		if size.Y == 0 {
			size.Y = b.Y
		}
		return retouch.Crop(img, image.Rect(0, 0, size.X, size.Y)), nil
	}, nil
}

// startOf is the picture of the size of the result that a request begins with.
func startOf(r ldm.Request) image.Image {
	if c, ok := r.Condition.(ldm.Masked); ok {
		return c.Image
	}
	return r.Start
}

// grid lays pictures out in rows of so many columns, a pixel apart.
func grid(images []image.Image, columns int) image.Image {
	if len(images) == 1 {
		return images[0]
	}
	return picture.Sheet(images, columns)
}
