package retouch

import (
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Consistent changes an enlarged picture so that, made small again by the bicubic
// filter, it is the small one it was made of: what differs is enlarged and added, some
// times (Irani and Peleg, "Improving resolution by image registration"; with diffusion
// models, DDNM, arXiv 2212.00490). amount is how much of the difference, 0 to 1.
func Consistent(large, small image.Image, amount float64) (*image.RGBA, error) {
	const rounds = 3
	made, want := picture.OnWhite(large), picture.OnWhite(small)
	w, h, sw, sh := made.Rect.Dx(), made.Rect.Dy(), want.Rect.Dx(), want.Rect.Dy()
	if w < sw || h < sh {
		return nil, fault.Inputf("a picture of %dx%d is no larger form of one of %dx%d", w, h, sw, sh)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for c := range 3 {
		x, y := plane(made, c), plane(want, c)
		for range rounds {
			difference := picture.ResizeFloat(x, h, w, sh, sw, picture.Bicubic)
			for i, v := range difference {
				difference[i] = float32(amount) * (y[i] - v)
			}
			for i, v := range picture.ResizeFloat(difference, sh, sw, h, w, picture.Bicubic) {
				x[i] += v
			}
		}
		for i, v := range x {
			out.Pix[4*i+c], out.Pix[4*i+3] = byte(min(max(v, 0), 255)+.5), 255
		}
	}
	return out, nil
}

// plane is one channel of a picture.
func plane(img *image.RGBA, channel int) []float32 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	p := make([]float32, w*h)
	for i := range p {
		p[i] = float32(img.Pix[i/w*img.Stride+i%w*4+channel])
	}
	return p
}
