package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// Euler follows the probability flow dx/dσ = (x - D(x; σ))/σ by Euler's steps
// (Karras et al., arXiv 2206.00364, equation 3, and algorithm 2 without its lines 7
// to 9), x ← x + (x - D)/σ·(σ' - σ). It reads Churn, and with it NoiseScale and Noise.
func Euler(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield).exploding(); w.next(); {
			s, n := w.churned()
			mix(x.F32, n/s, 1-n/s, w.clean(x, s))
		}
	}
}

// EulerAncestral steps by Euler to a lower noise level than the next one, and
// adds noise up to that (k-diffusion's sample_euler_ancestral; with Eta 1 the same
// as DDPM). It reads Eta, NoiseScale and Noise.
func EulerAncestral(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield).exploding(); w.next(); {
			s, n := w.levels()
			down, up := ancestral(s, n, o.Eta)
			mix(x.F32, down/s, 1-down/s, w.clean(x, s))
			if up > 0 {
				w.noise(x.F32, up, s, n)
			}
		}
	}
}

// churned raises the noise level as Churn says, and gives the step's levels.
func (w *walker) churned() (s, n float64) {
	s, n = w.levels()
	c := w.o.Churn
	if c.Amount <= 0 {
		return s, n
	}
	gamma := min(c.Amount/float64(len(w.steps)), math.Sqrt2-1)
	if s < c.Min || c.Max > 0 && s > c.Max {
		gamma = 0 // noise is drawn all the same, as k-diffusion does
	}
	up := s * (1 + gamma)
	w.noise(w.x.F32, math.Sqrt(up*up-s*s), s, up)
	return up, n
}

// ancestral splits the step from s to n into one down and noise up again: the two
// make n together, and with eta 1 the noise is that of the posterior.
func ancestral(s, n, eta float64) (down, up float64) {
	up = min(n, eta*math.Sqrt(n*n*(s*s-n*n)/(s*s)))
	return math.Sqrt(n*n - up*up), up
}

// slope writes dx/dσ = (x - x0)/σ.
func slope(dst, x, x0 []float32, sigma float64) {
	f := float32(1 / sigma)
	for i, v := range x {
		dst[i] = (v - x0[i]) * f
	}
}

// ahead writes x + h·d.
func ahead(dst, x []float32, h float64, d []float32) {
	f := float32(h)
	for i, v := range d {
		dst[i] = x[i] + f*v
	}
}
