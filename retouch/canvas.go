package retouch

import (
	"image"

	"github.com/ldm-go/ldm/picture"
)

// Sides are so many pixels on each side of a picture.
type Sides struct{ Left, Right, Top, Bottom int }

// Extend puts a picture on a larger canvas, which goes on as the picture ends, and
// gives the mask of what is new.
func Extend(img image.Image, s Sides) (*image.RGBA, *image.Gray) {
	src := picture.OnWhite(img)
	w, h := src.Rect.Dx(), src.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w+s.Left+s.Right, h+s.Top+s.Bottom))
	m := image.NewGray(out.Rect)
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			sx, sy := min(max(x-s.Left, 0), w-1), min(max(y-s.Top, 0), h-1)
			copy(out.Pix[out.PixOffset(x, y):][:4], src.Pix[src.PixOffset(sx, sy):][:4])
			if sx != x-s.Left || sy != y-s.Top {
				m.Pix[y*m.Stride+x] = 255
			}
		}
	}
	return out, m
}

// Enlarge is a picture of at least a size: what is missing on the right and at the
// bottom goes on as the picture ends.
func Enlarge(img image.Image, width, height int) image.Image {
	size := img.Bounds().Size()
	if size.X >= width && size.Y >= height {
		return img
	}
	out, _ := Extend(img, Sides{Right: max(width-size.X, 0), Bottom: max(height-size.Y, 0)})
	return out
}

// Mode is how a picture of another size is made to fit.
type Mode uint8

// The ways to fit a picture.
const (
	Stretch Mode = iota // whatever becomes of its proportions
	Cover               // the middle of it, which fills all
	Pad                 // all of it, and beside it the colours of its edge
)

// Fit makes a picture of a size.
func Fit(img image.Image, width, height int, mode Mode) *image.RGBA {
	rgba := picture.OnWhite(img)
	size := rgba.Rect.Size()
	if size == image.Pt(width, height) {
		return rgba
	}
	switch mode {
	case Cover:
		return picture.ResizeWindow(rgba, width, height, picture.Lanczos, picture.Covered(size, width, height))
	case Pad:
		w, h := width, (size.Y*width+size.X/2)/size.X
		if h > height {
			w, h = (size.X*height+size.Y/2)/size.Y, height
		}
		w, h = max(w, 1), max(h, 1)
		left, top := (width-w)/2, (height-h)/2
		out, _ := Extend(picture.Resize(rgba, w, h, picture.Lanczos), Sides{left, width - w - left, top, height - h - top})
		return out
	}
	return picture.Resize(rgba, width, height, picture.Lanczos)
}

// FitMask makes a mask of a size, as Fit does with its picture.
func FitMask(m *image.Gray, width, height int, mode Mode) *image.Gray {
	rgba := Fit(m, width, height, mode)
	out := image.NewGray(rgba.Rect)
	for i := range out.Pix {
		out.Pix[i] = rgba.Pix[4*i]
	}
	return out
}

// Fill gives a hole the colours around it: means of what is known, over wider and
// wider surroundings, the nearest of which count most (as A1111's content "fill").
func Fill(img image.Image, m *image.Gray) *image.RGBA {
	out := clone(picture.OnWhite(img))
	w, h := m.Rect.Dx(), m.Rect.Dy()
	known := make([][4]float64, w*h) // colours times weights, and weights
	for i, v := range m.Pix {
		share := 1 - float64(v)/255
		for c := range 3 {
			known[i][c] = share * float64(out.Pix[4*i+c])
		}
		known[i][3] = share
	}
	pyramid(known, w, h)
	for i, v := range m.Pix {
		if v == 0 || known[i][3] == 0 {
			continue
		}
		share := float64(v) / 255
		for c := range 3 {
			around := known[i][c] / known[i][3]
			out.Pix[4*i+c] = byte(share*around + (1-share)*float64(out.Pix[4*i+c]) + .5)
		}
	}
	return out
}

// pyramid gives cells without weight the mean of the cells of a map half as large.
func pyramid(cells [][4]float64, w, h int) {
	if w == 1 && h == 1 {
		return
	}
	hw, hh := (w+1)/2, (h+1)/2
	half := make([][4]float64, hw*hh)
	for i, v := range cells {
		cell := &half[i/w/2*hw+i%w/2]
		for c := range v {
			cell[c] += v[c] / 4
		}
	}
	pyramid(half, hw, hh)
	for i := range cells {
		below := half[i/w/2*hw+i%w/2]
		if missing := 1 - min(cells[i][3], 1); missing > 0 && below[3] > 0 {
			for c := range below {
				cells[i][c] += missing * below[c] / below[3]
			}
		}
	}
}
