package picture

import (
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Square scales the largest centred square of a picture to size x size with the
// bicubic filter, on white where it is transparent.
func Square(img image.Image, size int) *image.RGBA {
	return Cover(OnWhite(img), size, size)
}

// Cover scales a picture so that it just covers width x height, and cuts off
// what sticks out at both sides.
func Cover(img *image.RGBA, width, height int) *image.RGBA {
	return ResizeWindow(img, width, height, Bicubic, Covered(img.Rect.Size(), width, height))
}

// Covered is the largest centred part of a picture of the given size that has
// the proportions of width x height. It begins and ends at whole pixels.
func Covered(size image.Point, width, height int) Window {
	w, h := size.X, size.Y
	if w*height > h*width {
		w = max(1, (h*width+height/2)/height)
	} else {
		h = max(1, (w*height+width/2)/width)
	}
	w, h = min(w, size.X), min(h, size.Y)
	x, y := (size.X-w)/2, (size.Y-h)/2
	return Window{float64(x), float64(y), float64(x + w), float64(y + h)}
}

// Read reads a picture as [1, H, W, 3] in [-1, 1], on white where it is
// transparent. With size, its largest centred square is scaled to size x size;
// without, it keeps its size, less what is cut off at the rim so that height
// and width are multiples of unit.
func Read(path string, size, unit int) (*tensor.Tensor, error) {
	if size > 0 && size%unit != 0 {
		return nil, fault.Inputf("size %d: want a multiple of %d", size, unit)
	}
	img, err := Decode(path)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		return Tensor(Square(img, size)), nil
	}
	w, h := img.Rect.Dx()/unit*unit, img.Rect.Dy()/unit*unit
	if w == 0 || h == 0 {
		return nil, fault.Inputf("%s has %dx%d pixels: want at least %dx%d", path, img.Rect.Dx(), img.Rect.Dy(), unit, unit)
	}
	at := image.Pt((img.Rect.Dx()-w)/2, (img.Rect.Dy()-h)/2)
	return Tensor(OnWhite(img.SubImage(image.Rectangle{at, at.Add(image.Pt(w, h))}))), nil
}

// Mirror exchanges left and right in place.
func Mirror(img *image.RGBA) {
	w := img.Rect.Dx()
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride:]
		for x := range w / 2 {
			for c := range 4 {
				a, b := 4*x+c, 4*(w-1-x)+c
				row[a], row[b] = row[b], row[a]
			}
		}
	}
}
