package retouch

import (
	"image"
	"image/draw"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Box is the smallest part of a mask outside of which it is black; empty where all
// of it is.
func Box(m *image.Gray) image.Rectangle {
	var box image.Rectangle
	for i, v := range m.Pix {
		if v > 0 {
			x, y := i%m.Stride, i/m.Stride
			box = box.Union(image.Rect(x, y, x+1, y+1))
		}
	}
	return box
}

// Area is a box with so many pixels around, widened to the proportions of width to
// height as far as the picture goes, as A1111's "only masked" has it.
func Area(box image.Rectangle, padding, width, height int, bounds image.Rectangle) image.Rectangle {
	box = box.Inset(-padding).Intersect(bounds)
	if box.Dx()*height > box.Dy()*width {
		box.Min.Y, box.Max.Y = widen(box.Min.Y, box.Max.Y, (box.Dx()*height+width/2)/width, bounds.Min.Y, bounds.Max.Y)
	} else {
		box.Min.X, box.Max.X = widen(box.Min.X, box.Max.X, (box.Dy()*width+height/2)/height, bounds.Min.X, bounds.Max.X)
	}
	return box
}

// widen makes a stretch so long, around its middle but between two ends.
func widen(from, to, length, least, most int) (int, int) {
	length = max(min(length, most-least), to-from)
	from = min(max(from-(length-(to-from))/2, least), most-length)
	return from, from + length
}

// Crop copies a part of a picture.
func Crop(img image.Image, part image.Rectangle) *image.RGBA {
	src := picture.OnWhite(img)
	out := image.NewRGBA(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(out, out.Rect, src, part.Min, draw.Src)
	return out
}

// CropMask copies a part of a mask.
func CropMask(m *image.Gray, part image.Rectangle) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(out, out.Rect, m, part.Min, draw.Src)
	return out
}

// ResizeMask scales a mask.
func ResizeMask(m *image.Gray, width, height int) *image.Gray {
	if m.Rect.Size() == image.Pt(width, height) {
		return m
	}
	rgba := picture.Resize(picture.OnWhite(m), width, height, picture.Bilinear)
	out := image.NewGray(image.Rect(0, 0, width, height))
	for i := range out.Pix {
		out.Pix[i] = rgba.Pix[4*i]
	}
	return out
}

// Part is a part of a picture that is worked on alone, at a size of its own.
type Part struct {
	Whole *image.RGBA     // the picture
	Mask  *image.Gray     // of the whole picture, as soft as it is to be joined
	At    image.Rectangle // where the part is in it
	Size  image.Point     // at which it is worked on
}

// NewPart is the part of a picture that a mask is in, with so many pixels around, to
// be worked on at a size.
func NewPart(img image.Image, m *image.Gray, padding int, size image.Point) (*Part, error) {
	box := Box(m)
	if box.Empty() {
		return nil, fault.Inputf("the mask is black everywhere: want white where the picture is to be made anew")
	}
	return &Part{picture.OnWhite(img), m, Area(box, padding, size.X, size.Y, m.Rect), size}, nil
}

// Picture is the part at its size.
func (p *Part) Picture() *image.RGBA {
	at := p.At
	return picture.ResizeWindow(p.Whole, p.Size.X, p.Size.Y, picture.Lanczos,
		picture.Window{X0: float64(at.Min.X), Y0: float64(at.Min.Y), X1: float64(at.Max.X), Y1: float64(at.Max.Y)})
}

// PartMask is the part's mask at its size.
func (p *Part) PartMask() *image.Gray { return ResizeMask(CropMask(p.Mask, p.At), p.Size.X, p.Size.Y) }

// Back puts what was made of the part into the picture.
func (p *Part) Back(made image.Image) *image.RGBA {
	small := picture.Resize(picture.OnWhite(made), p.At.Dx(), p.At.Dy(), picture.Lanczos)
	canvas := clone(p.Whole)
	draw.Draw(canvas, p.At, small, image.Point{}, draw.Src)
	return Blend(p.Whole, canvas, p.Mask)
}
