package picture

import (
	"math"
)

// Interpolation is a way to resize arrays, equal to that of PyTorch's
// interpolate (TF1Bilinear: of TensorFlow 1). It blends neighbours in float64.
type Interpolation struct {
	Name string
	taps func(in, out int) []tap
}

// The interpolations. Unlike the filters above they do not look at more pixels
// when a picture shrinks, but for the ones with antialiasing and Area.
var (
	TorchBilinear          = Interpolation{"bilinear", points(halfPixel, linear, true)}
	TorchBilinearAligned   = Interpolation{"bilinear_align_corners", points(aligned, linear, true)}
	TorchBilinearAntialias = Interpolation{"bilinear_antialias", stretched(Bilinear)}
	TorchBicubic           = Interpolation{"bicubic", points(halfPixel, cubic, false)}
	TorchBicubicAligned    = Interpolation{"bicubic_align_corners", points(aligned, cubic, false)}
	TorchBicubicAntialias  = Interpolation{"bicubic_antialias", stretched(Bicubic)}
	TorchNearest           = Interpolation{"nearest", points(asymmetric, hold, true)}
	TorchNearestExact      = Interpolation{"nearest_exact", points(func(i, in, out int) float64 { return halfPixel(i, in, out) + 0.5 }, hold, true)}
	TorchArea              = Interpolation{"area", area}
	TF1Bilinear            = Interpolation{"tf1_bilinear", points(asymmetric, linear, true)}
)

// Interpolations lists them all.
var Interpolations = []Interpolation{TorchBilinear, TorchBilinearAligned, TorchBilinearAntialias, TorchBicubic,
	TorchBicubicAligned, TorchBicubicAntialias, TorchNearest, TorchNearestExact, TorchArea, TF1Bilinear}

// Interpolate scales a plane [h, w] to [outH, outW].
func Interpolate[T float32 | float64](src []T, h, w, outH, outW int, p Interpolation) []T {
	rows, columns := p.taps(h, outH), p.taps(w, outW)
	wide := make([]float64, h*outW)
	for y := range h {
		for x, t := range columns {
			for k, weight := range t.weights {
				wide[y*outW+x] += weight * float64(src[y*w+t.from+k])
			}
		}
	}
	dst := make([]T, outH*outW)
	for y, t := range rows {
		for x := range outW {
			var sum float64
			for k, weight := range t.weights {
				sum += weight * wide[(t.from+k)*outW+x]
			}
			dst[y*outW+x] = T(sum)
		}
	}
	return dst
}

// Where the output pixel i lies among the source's.
func halfPixel(i, in, out int) float64 { return (float64(i)+0.5)*float64(in)/float64(out) - 0.5 }

func asymmetric(i, in, out int) float64 { return float64(i) * float64(in) / float64(out) }

func aligned(i, in, out int) float64 {
	if out == 1 {
		return 0
	}
	return float64(i) * float64(in-1) / float64(out-1)
}

// The weights of the neighbours from -1 to 2 of a place, by its fraction.
func hold(float64) [4]float64     { return [4]float64{0, 1, 0, 0} }
func linear(t float64) [4]float64 { return [4]float64{0, 1 - t, t, 0} }

// cubic is Keys's kernel with a = -0.75.
func cubic(t float64) [4]float64 {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	return [4]float64{far(t + 1), near(t), near(1 - t), far(2 - t)}
}

// points blends the four neighbours of a place; those beyond the rim are the
// rim's. With limited, a place before the first pixel is the first.
func points(place func(i, in, out int) float64, blend func(float64) [4]float64, limited bool) func(in, out int) []tap {
	return func(in, out int) []tap {
		list := make([]tap, out)
		for i := range list {
			at := place(i, in, out)
			if limited {
				at = max(at, 0)
			}
			whole := math.Floor(at)
			neighbours := blend(at - whole)
			first := min(max(int(whole)-1, 0), in-1)
			last := min(max(int(whole)+2, 0), in-1)
			w := make([]float64, last-first+1)
			for k, v := range neighbours {
				w[min(max(int(whole)-1+k, first), last)-first] += v
			}
			list[i] = tap{from: first, weights: w}
		}
		return list
	}
}

func stretched(f Filter) func(in, out int) []tap {
	return func(in, out int) []tap { return taps(in, out, 0, float64(in), f) }
}

// area averages all pixels that an output pixel touches.
func area(in, out int) []tap {
	list := make([]tap, out)
	for i := range list {
		from, to := i*in/out, ((i+1)*in+out-1)/out
		w := make([]float64, to-from)
		for k := range w {
			w[k] = 1 / float64(len(w))
		}
		list[i] = tap{from: from, weights: w}
	}
	return list
}
