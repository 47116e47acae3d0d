package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// DDPM is ancestral sampling (Ho et al., arXiv 2006.11239, algorithm 2), on any
// path: x ← √ᾱ'·β/(1-ᾱ)·x0 + √(ᾱ/ᾱ')·(1-ᾱ')/(1-ᾱ)·x + noise, with β = 1-ᾱ/ᾱ' and
// the variance of the posterior, (1-ᾱ')/(1-ᾱ)·β (equation 7), or as much of β
// as the schedule's v_posterior says. The last step to no noise adds none. It
// reads NoiseScale and Noise.
func DDPM(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield); w.next(); {
			s, n := w.levels()
			x0, _ := w.predict(x, s)
			from, to := alphaBar(s), alphaBar(n)
			beta, left := 1-from/to, (1-to)/(1-from)
			mix(x.F32, math.Sqrt(from/to)*left, math.Sqrt(to)*beta/(1-from), x0)
			if n > 0 {
				v := p.Schedule.VPosterior
				w.noise(x.F32, math.Sqrt((1-v)*left*beta+v*beta), s, n)
			}
		}
	}
}
