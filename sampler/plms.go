package sampler

import (
	"context"
	"iter"

	"github.com/ldm-go/ldm/tensor"
)

// PLMS is the pseudo linear multistep method (Liu et al., arXiv 2202.09778,
// algorithm 2 with the first step by pseudo improved Euler, as the reference has it):
// DDIM's step with Adams and Bashforth's mean of the last four predicted noises.
// The path's timesteps should be even. It calls the denoiser once a step, and twice
// in the first. It takes no options.
func PLMS(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield)
		mean, x0, next := w.like(), w.like(), w.like()
		var noises []*tensor.Tensor // the last one first
		for w.next() {
			s, n := w.levels()
			_, eps := w.predict(x, s)
			noises = w.remember(noises, 4)
			copy(noises[0].F32, eps)
			clear(mean.F32)
			for j, c := range adamsBashforth[len(noises)-1] {
				add(mean.F32, c, noises[j].F32)
			}
			if w.i == 0 {
				transfer(next.F32, x0.F32, x.F32, eps, s, n)
				_, eps = w.predict(next, n)
				mix(mean.F32, .5, .5, eps)
			}
			transfer(x.F32, x0.F32, x.F32, mean.F32, s, n)
			w.first = x0
		}
	}
}

// transfer is DDIM's deterministic step by a noise (equation 11 of PLMS's paper),
// which gives the clean latent too.
func transfer(dst, x0, x, eps []float32, s, n float64) {
	alpha, std := coefficients(s)
	next, left := coefficients(n)
	a, b, c, e := float32(alpha), float32(std), float32(next), float32(left)
	for i, v := range eps {
		x0[i] = (x[i] - b*v) / a
		dst[i] = c*x0[i] + e*v
	}
}
