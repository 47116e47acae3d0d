package degradation

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
)

// pixels are a picture [h, w, 3] in [0, 1].
type pixels struct {
	h, w int
	v    []float64
}

func newPixels(h, w int) pixels { return pixels{h, w, make([]float64, h*w*3)} }

func fromImage(img *image.RGBA) pixels {
	p := newPixels(img.Rect.Dy(), img.Rect.Dx())
	for y := range p.h {
		row := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):]
		for x := range p.w {
			for c := range 3 {
				p.v[(y*p.w+x)*3+c] = float64(row[4*x+c]) / 255
			}
		}
	}
	return p
}

func (p pixels) toImage() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, p.w, p.h))
	for i := range p.h * p.w {
		for c := range 3 {
			img.Pix[4*i+c] = uint8(math.RoundToEven(min(max(p.v[3*i+c], 0), 1) * 255))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

func (p pixels) clip() {
	for i, v := range p.v {
		p.v[i] = min(max(v, 0), 1)
	}
}

// convolve is a true convolution (the kernel is turned round) whose centre is the
// place size/2; beyond the rim the picture is mirrored without repeating the rim.
func (p pixels) convolve(k kernel) pixels {
	out := newPixels(p.h, p.w)
	centre := k.size / 2
	columns := make([]int, p.w*k.size)
	for x := range p.w {
		for j := range k.size {
			columns[x*k.size+j] = mirror(x+centre-j, p.w)
		}
	}
	for y := range p.h {
		for i := range k.size {
			row := p.v[mirror(y+centre-i, p.h)*p.w*3:]
			for j := range k.size {
				weight := k.w[i*k.size+j]
				if weight == 0 {
					continue
				}
				for x := range p.w {
					from, to := row[columns[x*k.size+j]*3:][:3], out.v[(y*p.w+x)*3:][:3]
					to[0] += weight * from[0]
					to[1] += weight * from[1]
					to[2] += weight * from[2]
				}
			}
		}
	}
	return out
}

// mirror brings a place beyond the rim back: -1 is 1, n is n-2.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}

// every takes every n-th pixel, from the first on.
func (p pixels) every(n int) pixels {
	out := newPixels((p.h+n-1)/n, (p.w+n-1)/n)
	for y := range out.h {
		for x := range out.w {
			copy(out.v[(y*out.w+x)*3:][:3], p.v[(y*n*p.w+x*n)*3:])
		}
	}
	return out
}

// jpeg writes the picture as JPEG and reads it back.
func (p pixels) jpeg(quality int) pixels {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p.toImage(), &jpeg.Options{Quality: quality}); err != nil {
		return p // of a picture in memory there is none
	}
	img, err := jpeg.Decode(&b)
	if err != nil {
		return p
	}
	rgba := image.NewRGBA(img.Bounds())
	for y := range p.h {
		for x := range p.w {
			rgba.Set(x, y, img.At(x, y))
		}
	}
	return fromImage(rgba)
}
