// Package retouch is the work on pixels around a model: masks grown, blurred and
// inverted, the part of a picture that a mask is in, what a hole begins with, larger
// canvases, and the way back of what was made into the picture that it came of.
package retouch

import (
	"image"
	"image/color"
	"math"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Mask is a picture as a mask of the given size: 255 where it is white, which is to
// be made anew, and 0 where it is black or transparent, which stays. A picture that
// is opaque nowhere but where it is painted (brush strokes in any colour over
// nothing) is a mask by its opacity.
func Mask(img image.Image, width, height int) (*image.Gray, error) {
	b := img.Bounds()
	if b.Size() != image.Pt(width, height) {
		return nil, fault.Inputf("the mask has %dx%d pixels and the picture %dx%d: want one size", b.Dx(), b.Dy(), width, height)
	}
	m := image.NewGray(image.Rect(0, 0, width, height))
	light := false
	for i := range m.Pix {
		c := color.NRGBAModel.Convert(img.At(b.Min.X+i%width, b.Min.Y+i/width)).(color.NRGBA)
		grey := color.GrayModel.Convert(color.NRGBA{c.R, c.G, c.B, 255}).(color.Gray).Y
		m.Pix[i] = byte((int(grey)*int(c.A) + 127) / 255)
		light = light || m.Pix[i] > 0
	}
	if light {
		return m, nil
	}
	return opacity(img, m)
}

// opacity is the mask of what is painted over nothing.
func opacity(img image.Image, m *image.Gray) (*image.Gray, error) {
	b, some, all := img.Bounds(), false, true
	for i := range m.Pix {
		_, _, _, a := img.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx()).RGBA()
		m.Pix[i] = byte(a >> 8)
		some, all = some || a > 0, all && a == 0xffff
	}
	if !some || all {
		return nil, fault.Inputf("the mask is black everywhere: want white where the picture is to be made anew")
	}
	return m, nil
}

// Alpha is the mask of the transparent part of a picture, and false where all of it
// is opaque.
func Alpha(img *image.NRGBA) (*image.Gray, bool) {
	b := img.Rect
	m := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	hole := false
	for y := range b.Dy() {
		for x := range b.Dx() {
			v := 255 - img.Pix[img.PixOffset(b.Min.X+x, b.Min.Y+y)+3]
			m.Pix[y*m.Stride+x] = v
			hole = hole || v > 0
		}
	}
	return m, hole
}

// Invert exchanges what stays and what is made anew.
func Invert(m *image.Gray) *image.Gray {
	out := image.NewGray(m.Rect)
	for i, v := range m.Pix {
		out.Pix[i] = 255 - v
	}
	return out
}

// Grow takes to each pixel the lightest within a distance in pixels, or for a
// negative distance the darkest.
func Grow(m *image.Gray, distance int) *image.Gray {
	if distance == 0 {
		return m
	}
	if distance < 0 {
		return Invert(Grow(Invert(m), -distance))
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewGray(m.Rect)
	for dy := -distance; dy <= distance; dy++ {
		reach := int(math.Sqrt(float64(distance*distance - dy*dy)))
		for y := max(0, -dy); y < min(h, h-dy); y++ {
			widest(out.Pix[y*w:][:w], m.Pix[(y+dy)*w:][:w], reach)
		}
	}
	return out
}

// widest raises each of dst to the largest of src within a reach.
func widest(dst, src []byte, reach int) {
	var queue []int // places of falling values
	for x := range len(src) + reach {
		if x < len(src) {
			for len(queue) > 0 && src[queue[len(queue)-1]] <= src[x] {
				queue = queue[:len(queue)-1]
			}
			queue = append(queue, x)
		}
		at := x - reach
		if at < 0 {
			continue
		}
		for queue[0] < at-reach {
			queue = queue[1:]
		}
		dst[at] = max(dst[at], src[queue[0]])
	}
}

// Blur is a Gaussian of standard deviations in pixels along x and y, cut off as
// A1111 does: its kernel has 2·⌊2.5σ + 0.5⌋ + 1 pixels. Beyond the rim the mask is
// mirrored.
func Blur(m *image.Gray, x, y float64) *image.Gray {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	values := make([]float64, w*h)
	for i, v := range m.Pix {
		values[i] = float64(v)
	}
	values = blur(values, w, h, 1, w, x)
	values = blur(values, h, w, w, 1, y)
	out := image.NewGray(m.Rect)
	for i, v := range values {
		out.Pix[i] = byte(math.Round(v))
	}
	return out
}

// blur works along lines of n values, step apart, of which there are so many, one
// every stride.
func blur(src []float64, n, lines, step, stride int, sigma float64) []float64 {
	k := kernel(sigma)
	if len(k) == 1 {
		return src
	}
	out := make([]float64, len(src))
	reach := len(k) / 2
	for line := range lines {
		for i := range n {
			sum := 0.0
			for j, weight := range k {
				sum += weight * src[line*stride+mirror(i+j-reach, n)*step]
			}
			out[line*stride+i*step] = sum
		}
	}
	return out
}

func kernel(sigma float64) []float64 {
	if !(sigma > 0) {
		return []float64{1}
	}
	reach := int(2.5*sigma + .5)
	k := make([]float64, 2*reach+1)
	sum := 0.0
	for i := range k {
		d := float64(i-reach) / sigma
		k[i] = math.Exp(-d * d / 2)
		sum += k[i]
	}
	for i := range k {
		k[i] /= sum
	}
	return k
}

// mirror is a place beyond the ends, seen in the mirror of the first or last value.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	i = (i%(2*n-2) + 2*n - 2) % (2*n - 2)
	return min(i, 2*n-2-i)
}

// Hard is a mask of 0 and 255: what is lighter than half is to be made.
func Hard(m *image.Gray) *image.Gray {
	out := image.NewGray(m.Rect)
	for i, v := range m.Pix {
		if v > 127 {
			out.Pix[i] = 255
		}
	}
	return out
}

// Blend puts made over known where the mask is white; greys mix, and where it is
// black the pixels of known come back as they are. All have one size.
func Blend(known, made image.Image, m *image.Gray) *image.RGBA {
	out, over := clone(picture.OnWhite(known)), picture.OnWhite(made)
	for i, v := range m.Pix {
		if v == 0 {
			continue
		}
		x, y := i%m.Stride, i/m.Stride
		a, b := out.Pix[out.PixOffset(x, y):][:3], over.Pix[over.PixOffset(x, y):][:3]
		for c := range a {
			a[c] = byte((int(b[c])*int(v) + int(a[c])*(255-int(v)) + 127) / 255)
		}
	}
	return out
}

func clone(img *image.RGBA) *image.RGBA {
	out := *img
	out.Pix = append([]byte{}, img.Pix...)
	return &out
}
