package picture

import (
	"image"
	"math"
)

// Filter is a way to resize, equal to Pillow's of the same name.
type Filter struct {
	Name    string
	support float64 // half of the kernel's width, in source pixels when enlarging
	kernel  func(x float64) float64
}

// The filters. When a picture shrinks, the kernel is stretched by the scale
// (antialiasing); Nearest alone takes one pixel each.
var (
	Nearest  = Filter{Name: "nearest"}
	Box      = Filter{"box", 0.5, box}
	Bilinear = Filter{"bilinear", 1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }}
	Hamming  = Filter{"hamming", 1, hamming}
	Bicubic  = Filter{"bicubic", 2, bicubic}
	Lanczos  = Filter{"lanczos", 3, lanczos}
)

// Filters lists them all.
var Filters = []Filter{Nearest, Box, Bilinear, Hamming, Bicubic, Lanczos}

func box(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

func hamming(x float64) float64 {
	if x = math.Abs(x); x >= 1 {
		return 0
	}
	return sinc(x) * (0.54 + 0.46*math.Cos(math.Pi*x))
}

// bicubic is Keys's kernel with a = -0.5.
func bicubic(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

// Window is a part of a picture in its pixels, with fractions.
type Window struct{ X0, Y0, X1, Y1 float64 }

// Resize scales a whole picture to width x height, bit for bit as Pillow 10 does.
func Resize(src *image.RGBA, width, height int, f Filter) *image.RGBA {
	return ResizeWindow(src, width, height, f, Window{0, 0, float64(src.Rect.Dx()), float64(src.Rect.Dy())})
}

// ResizeWindow scales a part of a picture to width x height.
func ResizeWindow(src *image.RGBA, width, height int, f Filter, w Window) *image.RGBA {
	if f.kernel == nil {
		return nearest(src, width, height, w)
	}
	columns := taps(src.Rect.Dx(), width, w.X0, w.X1, f)
	rows := taps(src.Rect.Dy(), height, w.Y0, w.Y1, f)
	if whole := w.X0 == 0 && w.X1 == float64(src.Rect.Dx()); !whole || width != src.Rect.Dx() {
		last := rows[height-1]
		first, end := rows[0].from, last.from+len(last.weights) // the rows that are needed
		src = horizontal(src.SubImage(image.Rect(0, first, src.Rect.Dx(), end)).(*image.RGBA), columns)
		for i := range rows {
			rows[i].from -= first
		}
	}
	if whole := w.Y0 == 0 && w.Y1 == float64(src.Rect.Dy()); !whole || height != src.Rect.Dy() {
		src = vertical(src, rows)
	}
	return src
}

// tap says which source pixels an output pixel takes, and how much of each.
type tap struct {
	from    int
	weights []float64
	fixed   []int32 // the weights with 22 bits of fraction
}

const precision = 22

func taps(in, out int, from, to float64, f Filter) []tap {
	scale := (to - from) / float64(out)
	stretch := max(scale, 1)
	support := f.support * stretch
	list := make([]tap, out)
	for i := range list {
		center := from + (float64(i)+0.5)*scale
		first := max(int(center-support+0.5), 0)
		last := min(int(center+support+0.5), in)
		w := make([]float64, last-first)
		var sum float64
		for k := range w {
			w[k] = f.kernel((float64(k+first) - center + 0.5) * (1 / stretch))
			sum += w[k]
		}
		fixed := make([]int32, len(w))
		for k := range w {
			if sum != 0 {
				w[k] /= sum
			}
			fixed[k] = int32(math.Copysign(0.5, w[k]) + w[k]*(1<<precision))
		}
		list[i] = tap{first, w, fixed}
	}
	return list
}

func horizontal(src *image.RGBA, list []tap) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, len(list), src.Rect.Dy()))
	for y := range src.Rect.Dy() {
		from, to := src.Pix[y*src.Stride:], out.Pix[y*out.Stride:]
		for x, t := range list {
			sum := [4]int32{1 << (precision - 1), 1 << (precision - 1), 1 << (precision - 1), 1 << (precision - 1)}
			for k, w := range t.fixed {
				p := from[4*(t.from+k):][:4]
				sum[0] += w * int32(p[0])
				sum[1] += w * int32(p[1])
				sum[2] += w * int32(p[2])
				sum[3] += w * int32(p[3])
			}
			for c, s := range sum {
				to[4*x+c] = clip(s)
			}
		}
	}
	return out
}

func vertical(src *image.RGBA, list []tap) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, src.Rect.Dx(), len(list)))
	n := 4 * src.Rect.Dx()
	sums := make([]int32, n)
	for y, t := range list {
		for i := range sums {
			sums[i] = 1 << (precision - 1)
		}
		for k, w := range t.fixed {
			for i, v := range src.Pix[(t.from+k)*src.Stride:][:n] {
				sums[i] += w * int32(v)
			}
		}
		row := out.Pix[y*out.Stride:][:n]
		for i, s := range sums {
			row[i] = clip(s)
		}
	}
	return out
}

func clip(v int32) byte { return byte(min(max(v>>precision, 0), 255)) }

func nearest(src *image.RGBA, width, height int, w Window) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		sy := min(int(w.Y0+(float64(y)+0.5)*(w.Y1-w.Y0)/float64(height)), src.Rect.Dy()-1)
		for x := range width {
			sx := min(int(w.X0+(float64(x)+0.5)*(w.X1-w.X0)/float64(width)), src.Rect.Dx()-1)
			copy(out.Pix[y*out.Stride+4*x:][:4], src.Pix[sy*src.Stride+4*sx:][:4])
		}
	}
	return out
}

// ResizeFloat scales a plane [h, w] of float32 to [outH, outW] as Pillow does
// with pictures of its mode F: float32 between the passes, nothing limited.
func ResizeFloat(src []float32, h, w, outH, outW int, f Filter) []float32 {
	if w != outW {
		list := taps(w, outW, 0, float64(w), f)
		dst := make([]float32, h*outW)
		for y := range h {
			for x, t := range list {
				var sum float64
				for k, v := range t.weights {
					sum += v * float64(src[y*w+t.from+k])
				}
				dst[y*outW+x] = float32(sum)
			}
		}
		src, w = dst, outW
	}
	if h == outH {
		return src
	}
	dst := make([]float32, outH*w)
	for y, t := range taps(h, outH, 0, float64(h), f) {
		for x := range w {
			var sum float64
			for k, v := range t.weights {
				sum += v * float64(src[(t.from+k)*w+x])
			}
			dst[y*w+x] = float32(sum)
		}
	}
	return dst
}
