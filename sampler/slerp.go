package sampler

import (
	"math"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Slerp writes the latent between two others at a share of the way along the arc
// that joins them, which keeps the length that noise has. All have one size; dst
// may be one of them.
func Slerp(dst, a, b []float32, share float64) {
	u, v := arc(a, b, share)
	for i := range dst {
		dst[i] = float32(u*float64(a[i]) + v*float64(b[i]))
	}
}

// arc are the weights of two vectors, by the angle between them.
func arc(a, b []float32, share float64) (u, v float64) {
	var dot, aa, bb float64
	for i, x := range a {
		y := float64(b[i])
		dot, aa, bb = dot+float64(x)*y, aa+float64(x)*float64(x), bb+y*y
	}
	cos := dot / math.Sqrt(aa*bb)
	if !(math.Abs(cos) < .9995) { // nearly one direction, or a zero
		return 1 - share, share
	}
	angle := math.Acos(cos)
	return math.Sin((1-share)*angle) / math.Sin(angle), math.Sin(share*angle) / math.Sin(angle)
}

// Vary is Slerp as AUTOMATIC1111's program has it for variation seeds: latents
// [N, H, W, C] column by column, whose lengths and angles go over H.
func Vary(dst, a, b *tensor.Tensor, share float64) error {
	if len(a.Shape) != 4 || !a.Shape.Equal(b.Shape) || !a.Shape.Equal(dst.Shape) {
		return fault.Inputf("latents of %v, %v and %v: want [N, H, W, C] three times", dst.Shape, a.Shape, b.Shape)
	}
	h, wc := a.Shape[1], a.Shape[2]*a.Shape[3]
	for n := range a.Shape[0] {
		x, y, out := a.Row(n).F32, b.Row(n).F32, dst.Row(n).F32
		angles := make([]float64, wc)
		mean := 0.0
		for c := range wc {
			var dot, aa, bb float64
			for i := range h {
				p, q := float64(x[i*wc+c]), float64(y[i*wc+c])
				dot, aa, bb = dot+p*q, aa+p*p, bb+q*q
			}
			cos := dot / math.Sqrt(aa*bb)
			angles[c] = math.Acos(min(max(cos, -1), 1))
			mean += cos / float64(wc)
		}
		for i, v := range x {
			u, w := 1-share, share
			if angle := angles[i%wc]; mean <= .9995 && math.Sin(angle) > 0 {
				u, w = math.Sin((1-share)*angle)/math.Sin(angle), math.Sin(share*angle)/math.Sin(angle)
			}
			out[i] = float32(u*float64(v) + w*float64(y[i]))
		}
	}
	return nil
}
