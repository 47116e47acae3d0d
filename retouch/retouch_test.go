package retouch

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"testing"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// square is a mask with a white square.
func square(w, h int, white image.Rectangle) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for y := white.Min.Y; y < white.Max.Y; y++ {
		for x := white.Min.X; x < white.Max.X; x++ {
			m.SetGray(x, y, color.Gray{255})
		}
	}
	return m
}

// gradient is a picture in which no two pixels are equal.
func gradient(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetRGBA(i%w, i/w, color.RGBA{byte(i % w), byte(i / w), 7, 255})
	}
	return img
}

func TestGrow(t *testing.T) {
	m := square(20, 20, image.Rect(8, 8, 12, 12))
	if got := Box(Grow(m, 3)); got != image.Rect(5, 5, 15, 15) {
		t.Errorf("grown: %v", got)
	}
	if Grow(m, 3).GrayAt(5, 5).Y != 0 {
		t.Error("the corner of what is grown is not round")
	}
	if got := Box(Grow(m, -1)); got != image.Rect(9, 9, 11, 11) {
		t.Errorf("shrunk: %v", got)
	}
	if got := Box(Grow(m, 100)); got != m.Rect {
		t.Errorf("grown far: %v", got)
	}
	if got := Box(Invert(Invert(m))); got != Box(m) {
		t.Errorf("inverted twice: %v", got)
	}
}

// TestBlur: the sum stays, and nothing changes beyond the kernel.
func TestBlur(t *testing.T) {
	m := square(41, 31, image.Rect(20, 15, 21, 16))
	b := Blur(m, 2, 1)
	if got := Box(b); got.Min.X < 20-5 || got.Max.X > 21+5 || got.Min.Y < 15-3 || got.Max.Y > 16+3 {
		t.Errorf("%v", got)
	}
	if all := Blur(square(9, 9, image.Rect(0, 0, 9, 9)), 3, 3); all.GrayAt(0, 0).Y != 255 || all.GrayAt(4, 8).Y != 255 {
		t.Error("a white mask is not white after it is blurred")
	}
	if got := Blur(m, 0, 0); got.GrayAt(20, 15).Y != 255 {
		t.Error("no blur changes the mask")
	}
}

func TestArea(t *testing.T) {
	bounds := image.Rect(0, 0, 100, 80)
	for _, c := range []struct {
		box     image.Rectangle
		padding int
		w, h    int
		want    image.Rectangle
	}{
		{image.Rect(40, 40, 50, 50), 5, 64, 64, image.Rect(35, 35, 55, 55)},
		{image.Rect(40, 40, 60, 50), 0, 64, 64, image.Rect(40, 35, 60, 55)},
		{image.Rect(0, 0, 10, 30), 0, 64, 64, image.Rect(0, 0, 30, 30)},
		{image.Rect(90, 70, 100, 80), 0, 64, 32, image.Rect(80, 70, 100, 80)},
		{image.Rect(0, 10, 100, 20), 0, 10, 100, image.Rect(0, 0, 100, 80)},
	} {
		if got := Area(c.box, c.padding, c.w, c.h, bounds); got != c.want {
			t.Errorf("%v: %v, want %v", c.box, got, c.want)
		}
	}
}

// TestPart: what was made of a part comes back into its place, and nothing else changes.
func TestPart(t *testing.T) {
	whole := gradient(50, 40)
	p, err := NewPart(whole, square(50, 40, image.Rect(10, 10, 20, 20)), 4, image.Pt(64, 64))
	if err != nil || p.At != image.Rect(6, 6, 24, 24) || p.Picture().Rect.Dx() != 64 || p.PartMask().Rect.Dy() != 64 {
		t.Fatalf("%v, %v", p, err)
	}
	made := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range made.Pix {
		made.Pix[i] = 255
	}
	back := p.Back(made)
	for i := range 50 * 40 {
		at := image.Pt(i%50, i/50)
		if in := at.In(image.Rect(10, 10, 20, 20)); (back.At(at.X, at.Y) == whole.At(at.X, at.Y)) == in {
			t.Fatalf("the pixel at %v: %v", at, back.At(at.X, at.Y))
		}
	}
	if _, err := NewPart(whole, square(50, 40, image.Rectangle{}), 4, image.Pt(64, 64)); !errors.Is(err, fault.Input) {
		t.Errorf("a black mask: %v", err)
	}
}

// TestMask: white, what is painted over nothing, and a mask that says nothing.
func TestMask(t *testing.T) {
	strokes := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	strokes.Set(1, 2, color.Black)
	for name, c := range map[string]struct {
		img  image.Image
		want image.Rectangle
	}{
		"white":   {square(4, 4, image.Rect(1, 1, 3, 3)), image.Rect(1, 1, 3, 3)},
		"strokes": {strokes, image.Rect(1, 2, 2, 3)},
		"black":   {square(4, 4, image.Rectangle{}), image.Rectangle{}},
		"nothing": {image.NewNRGBA(image.Rect(0, 0, 4, 4)), image.Rectangle{}},
		"size":    {square(5, 4, image.Rect(1, 1, 3, 3)), image.Rectangle{}},
	} {
		m, err := Mask(c.img, 4, 4)
		switch {
		case c.want.Empty() && !errors.Is(err, fault.Input):
			t.Errorf("%s: error %v", name, err)
		case !c.want.Empty() && (err != nil || Box(m) != c.want):
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// TestFill: a hole gets the colours around it, and what is known stays.
func TestFill(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 16, 11))
	for i := range 16 * 11 {
		img.SetRGBA(i%16, i/16, color.RGBA{200, 10, 30, 255})
	}
	m := square(16, 11, image.Rect(3, 3, 12, 9))
	for y := 3; y < 9; y++ {
		for x := 3; x < 12; x++ {
			img.SetRGBA(x, y, color.RGBA{0, 255, 0, 255})
		}
	}
	out := Fill(img, m)
	for i := range 16 * 11 {
		c := out.RGBAAt(i%16, i/16)
		if c.R < 198 || c.G > 12 || c.B > 32 {
			t.Fatalf("the pixel at %d, %d is %v", i%16, i/16, c)
		}
	}
}

func TestCanvas(t *testing.T) {
	out, m := Extend(gradient(4, 3), Sides{Left: 2, Bottom: 1})
	if out.Rect != image.Rect(0, 0, 6, 4) || out.RGBAAt(0, 0) != (color.RGBA{0, 0, 7, 255}) || out.RGBAAt(5, 3) != (color.RGBA{3, 2, 7, 255}) {
		t.Errorf("%v", out.Pix)
	}
	if m.GrayAt(1, 0).Y != 255 || m.GrayAt(2, 0).Y != 0 || m.GrayAt(3, 3).Y != 255 {
		t.Errorf("%v", m.Pix)
	}
	for mode, want := range map[Mode]color.RGBA{Stretch: {0, 0, 7, 255}, Pad: {0, 0, 7, 255}} {
		if got := Fit(gradient(1, 1), 8, 5, mode); got.Rect != image.Rect(0, 0, 8, 5) || got.RGBAAt(7, 4) != want {
			t.Errorf("mode %d: %v", mode, got.RGBAAt(7, 4))
		}
	}
	if got := Fit(gradient(100, 10), 20, 20, Pad); got.RGBAAt(5, 0) != got.RGBAAt(5, 8) {
		t.Errorf("beside a padded picture: %v, want %v", got.RGBAAt(5, 0), got.RGBAAt(5, 8))
	}
}

// TestConsistent: made small again, the picture is the one that it was made of.
func TestConsistent(t *testing.T) {
	small := image.NewRGBA(image.Rect(0, 0, 12, 8))
	for i := range 12 * 8 {
		copy(small.Pix[4*i:], []byte{byte(60 + 10*(i%12)), byte(100 + 15*(i/12)), byte(80 + (i*7)%60), 255})
	}
	made := image.NewRGBA(image.Rect(0, 0, 48, 32))
	for i := range 48 * 32 {
		copy(made.Pix[4*i:], []byte{byte(90 + i%48), 120, byte(100 + i%5), 255})
	}
	distance := func(img *image.RGBA) (most int) {
		again := picture.Resize(img, 12, 8, picture.Bicubic)
		for i, v := range again.Pix {
			most = max(most, int(v)-int(small.Pix[i]), int(small.Pix[i])-int(v))
		}
		return most
	}
	out, err := Consistent(made, small, 1)
	if err != nil || distance(out) > 4 {
		t.Errorf("off by %d of 255 (before: %d), %v", distance(out), distance(made), err)
	}
	if out, err := Consistent(made, small, 0); err != nil || !bytes.Equal(out.Pix, made.Pix) {
		t.Errorf("nothing was to be changed: %v", err)
	}
	if _, err := Consistent(small, made, 1); err == nil {
		t.Error("a picture was made smaller")
	}
}
