package degradation

import (
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// interpolation is a way of OpenCV's resize: none of them is antialiased but area.
type interpolation uint8

const (
	linear interpolation = iota
	cubic
	area
)

func anyInterpolation(s tensor.Stream) interpolation { return interpolation(s.IntN(3)) }

// tap is a source pixel with its weight.
type tap struct {
	at     int
	weight float64
}

// resize scales to w x h as OpenCV does.
func (p pixels) resize(w, h int, i interpolation) pixels {
	if i == area && (w > p.w || h > p.h) {
		i = linear // as there, about
	}
	return p.along(i.taps(p.h, h), i.taps(p.w, w))
}

// along applies the taps of all rows, then those of all columns.
func (p pixels) along(rows, columns [][]tap) pixels {
	tall := newPixels(len(rows), p.w)
	for y, taps := range rows {
		to := tall.v[y*p.w*3:][:p.w*3]
		for _, t := range taps {
			for i, v := range p.v[t.at*p.w*3:][:p.w*3] {
				to[i] += t.weight * v
			}
		}
	}
	out := newPixels(len(rows), len(columns))
	for y := range out.h {
		for x, taps := range columns {
			to := out.v[(y*out.w+x)*3:][:3]
			for _, t := range taps {
				for c, v := range tall.v[(y*p.w+t.at)*3:][:3] {
					to[c] += t.weight * v
				}
			}
		}
	}
	return out
}

// taps are those of every output pixel of an axis.
func (i interpolation) taps(in, out int) [][]tap {
	list := make([][]tap, out)
	scale := float64(in) / float64(out)
	within := func(at int) int { return min(max(at, 0), in-1) }
	for o := range list {
		if i == area {
			list[o] = areaTaps(float64(o)*scale, float64(o+1)*scale, in)
			continue
		}
		at := (float64(o)+.5)*scale - .5
		base := int(math.Floor(at))
		t := at - float64(base)
		if i == linear {
			list[o] = []tap{{within(base), 1 - t}, {within(base + 1), t}}
			continue
		}
		for k := -1; k <= 2; k++ {
			list[o] = append(list[o], tap{within(base + k), keys(t-float64(k), -.75)})
		}
	}
	return list
}

// areaTaps are the pixels between two places, by how much of each lies between.
func areaTaps(from, to float64, in int) (list []tap) {
	for at := int(from); at < in && float64(at) < to; at++ {
		if part := min(to, float64(at+1)) - max(from, float64(at)); part > 0 {
			list = append(list, tap{at, part / (to - from)})
		}
	}
	return list
}

// keys is the cubic kernel of R. Keys (1981) with parameter a.
func keys(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x <= 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}

// matlabResize scales as Matlab's imresize does: bicubic, antialiased where the
// picture shrinks, mirrored at the rim with the rim repeated.
func (p pixels) matlabResize(scale float64) pixels {
	return p.along(matlabTaps(p.h, scale), matlabTaps(p.w, scale))
}

func matlabTaps(in int, scale float64) [][]tap {
	list := make([][]tap, int(math.Ceil(float64(in)*scale)))
	shrink := min(scale, 1)
	width := 4 / shrink
	for o := range list {
		at := float64(o+1)/scale + .5*(1-1/scale) // pixels count from 1
		left := math.Floor(at - width/2)
		var sum float64
		for k := range int(math.Ceil(width)) + 2 {
			i := left + float64(k)
			w := keys((at-i)*shrink, -.5)
			sum += w
			list[o] = append(list[o], tap{reflect(int(i)-1, in), w})
		}
		for k := range list[o] {
			list[o][k].weight /= sum
		}
	}
	return list
}

// reflect brings a place beyond the rim back: -1 is 0, n is n-1.
func reflect(i, n int) int {
	i = ((i % (2 * n)) + 2*n) % (2 * n)
	return min(i, 2*n-1-i)
}
