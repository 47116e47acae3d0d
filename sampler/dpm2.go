package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// DPM2 steps by the slope in the middle of the step, the middle being that of ln σ
// (k-diffusion's sample_dpm_2: DPM-Solver-2 of Lu et al., arXiv 2206.00927,
// algorithm 1, in Karras et al.'s form). It calls the denoiser twice a step, and
// once in the last to no noise. It reads Churn, and with it NoiseScale and Noise.
func DPM2(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		slopes, middle := w.like(), w.like()
		for w.next() {
			s, n := w.churned()
			w.dpm2(s, n, slopes, middle)
		}
	}
}

// DPM2Ancestral steps as DPM2 does to a lower noise level than the next one, and
// adds noise up to that. It reads Eta, NoiseScale and Noise.
func DPM2Ancestral(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		slopes, middle := w.like(), w.like()
		for w.next() {
			s, n := w.levels()
			down, up := ancestral(s, n, o.Eta)
			w.dpm2(s, down, slopes, middle)
			if up > 0 {
				w.noise(x.F32, up, s, n)
			}
		}
	}
}

// dpm2 steps from s to n with two predictions.
func (w *walker) dpm2(s, n float64, slopes, middle *tensor.Tensor) {
	x := w.x.F32
	slope(slopes.F32, x, w.clean(w.x, s), s)
	if n > 0 {
		m := math.Sqrt(s * n)
		ahead(middle.F32, x, m-s, slopes.F32)
		slope(slopes.F32, middle.F32, w.clean(middle, m), m)
	}
	add(x, n-s, slopes.F32)
}
