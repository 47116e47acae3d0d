package sampler

import (
	"context"
	"iter"

	"github.com/ldm-go/ldm/tensor"
)

// Tail is the last so many steps of a path, at most all.
func (p Path) Tail(steps int) Path {
	p.Sigmas = p.Sigmas[len(p.Sigmas)-1-min(max(steps, 0), p.Steps()):]
	return p
}

// Begin writes to x the latent at which the path begins when it starts from a given
// one: √ᾱ·x0 + √(1-ᾱ)·noise. All are of one size; x may be the noise.
func (p Path) Begin(x, x0, noise []float32) {
	alpha, std := coefficients(p.Sigmas[0])
	a, b := float32(alpha), float32(std)
	for i, e := range noise {
		x[i] = a*x0[i] + b*e
	}
}

// Strength is how a program turns image to image's strength, above 0 and at most 1,
// into steps: of a path of so many scheduled steps those from first on are done.
type Strength func(steps int, strength float64) (scheduled, first int)

// DiffusersStrength does the last ⌊strength·steps⌋ steps, which may be none; so does
// the reference, whose DDIM however begins with the noise of the step before.
func DiffusersStrength(steps int, strength float64) (scheduled, first int) {
	return steps, steps - min(int(float64(steps)*strength), steps)
}

// A1111Strength does one more than ⌊strength·steps⌋ steps, and all at 1.
func A1111Strength(steps int, strength float64) (scheduled, first int) {
	return steps, max(steps-int(min(strength, .999)*float64(steps))-1, 0)
}

// A1111FixedStrength does as many steps as are asked for, of a finer path.
func A1111FixedStrength(steps int, strength float64) (scheduled, first int) {
	if strength <= 0 {
		return steps, steps
	}
	scheduled = max(int(float64(steps)/min(strength, .999)), steps)
	return scheduled, max(scheduled-steps, 0)
}

// ComfyUIStrength does as many steps as are asked for, of a finer path.
func ComfyUIStrength(steps int, strength float64) (scheduled, first int) {
	if strength > .9999 {
		return steps, 0
	}
	scheduled = int(float64(steps) / strength)
	return scheduled, scheduled - steps
}

// Invert goes a path the other way, from a clean latent to the noise that DDIM
// without fresh noise makes it of (Song et al., arXiv 2010.02502, section 4.3, and
// equation 13). Each step up is corrected Rounds times by the noise that is
// predicted where it ends (Pan et al., arXiv 2309.04907, algorithm 1), which makes the
// way back exact; 0 is the plain inversion. States count up the path, at the
// noise levels from the last but one to the first.
func Invert(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield)
		n := len(w.steps)
		for i := range n / 2 {
			w.steps[i], w.steps[n-1-i] = w.steps[n-1-i], w.steps[i]
		}
		for i, s := range w.steps {
			w.steps[i] = step{s.n, s.s}
		}
		up := w.like()
		for w.next() {
			s, n := w.levels() // n is the noisier one
			at := s
			if s == 0 {
				at = n // a network knows no noise of 0
			}
			copy(up.F32, x.F32)
			_, eps := w.predict(up, at)
			lift(up.F32, x.F32, eps, s, n)
			for range o.Rounds {
				_, eps = w.predict(up, n)
				lift(up.F32, x.F32, eps, s, n)
			}
			copy(x.F32, up.F32)
		}
	}
}

// lift is DDIM's deterministic step from s to n, x being kept.
func lift(dst, x, eps []float32, s, n float64) {
	alpha, std := coefficients(s)
	next, left := coefficients(n)
	a, b := float32(next/alpha), float32(left-next/alpha*std)
	for i, e := range eps {
		dst[i] = a*x[i] + b*e
	}
}
