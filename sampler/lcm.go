package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// LCM samples latent consistency models (Luo et al., arXiv 2310.04378, after Song
// et al., arXiv 2303.01469, algorithm 1): each step predicts the clean latent and
// adds noise anew up to the next level. Their networks' predictions go through
// Consistent. It reads NoiseScale and Noise.
func LCM(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield); w.next(); {
			s, n := w.levels()
			x0, _ := w.predict(x, s)
			alpha, std := coefficients(n)
			mix(x.F32, 0, alpha, x0)
			if n > 0 {
				w.noise(x.F32, std, s, n)
			}
		}
	}
}

// Consistent gives a denoiser the boundary condition of consistency models, to
// which x is its own clean latent at timestep 0: with q = 10·t it is
// q/√(q² + 1/4)·x0 + 1/4/(q² + 1/4)·x (arXiv 2310.04378, appendix; the scale of 10
// and the deviation of 1/2 are those of all published models).
func Consistent(d Denoiser) Denoiser {
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		p, err := d(ctx, x, t)
		if err != nil {
			return p, err
		}
		skip, out := Boundary(t)
		mix(p.X0.F32, out, skip, x.F32)
		return p, nil
	}
}

// Boundary are the shares of x and of x0 in a consistency model's clean latent at a
// timestep: see Consistent.
func Boundary(t float64) (skip, out float64) {
	q := 10 * max(t, 0)
	return .25 / (q*q + .25), q / math.Sqrt(q*q+.25)
}

// TCD samples trajectory consistency models (Zheng et al., arXiv 2402.19159,
// algorithm 4): each step goes to timestep (1 - η)·t' by the prediction, and adds
// noise up to t'. It reads Eta, NoiseScale and, where Eta is not 0, Noise.
func TCD(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield); w.next(); {
			s, n := w.levels()
			x0, eps := w.predict(x, s)
			last := w.i+1 == len(w.steps)
			between := n
			if !last {
				between = p.Schedule.Sigma(max(math.Floor((1-o.Eta)*p.Schedule.Timestep(n)), 0))
			}
			alpha, std := coefficients(between)
			mix(x.F32, 0, alpha, x0)
			add(x.F32, std, eps)
			if between < n {
				share := alphaBar(n) / alphaBar(between)
				scale(x.F32, math.Sqrt(share))
				w.noise(x.F32, math.Sqrt(1-share), s, n)
			}
		}
	}
}
