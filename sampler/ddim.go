package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// DDIM is Song et al.'s sampler (arXiv 2010.02502, equation 12):
//
//	x ← √ᾱ'·x0 + √(1-ᾱ'-σ²)·ε + σ·noise
//	σ = η·√((1-ᾱ')/(1-ᾱ))·√(1-ᾱ/ᾱ')    (equation 16)
//
// It reads Eta, NoiseScale and, where Eta is not 0, Noise.
func DDIM(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		for w := walk(ctx, d, x, p, o, yield); w.next(); {
			s, n := w.levels()
			x0, eps := w.predict(x, s)
			sigma := ddimSigma(s, n, o.Eta)
			alpha, _ := coefficients(n)
			a, b := float32(alpha), float32(math.Sqrt(max(1-alphaBar(n)-sigma*sigma, 0)))
			for j, e := range eps {
				x.F32[j] = a*x0[j] + b*e
			}
			if sigma > 0 {
				w.noise(x.F32, sigma, s, n)
			}
		}
	}
}

// ddimSigma is the deviation of the noise that DDIM adds between two noise levels.
func ddimSigma(s, n, eta float64) float64 {
	from, to := alphaBar(s), alphaBar(n)
	return eta * math.Sqrt((1-to)/(1-from)*(1-from/to))
}
