package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// DPMPP2SAncestral is DPM-Solver++(2S) (Lu et al., arXiv 2211.01095, algorithm 1)
// to a lower noise level than the next one, and noise up to that (k-diffusion's
// sample_dpmpp_2s_ancestral). It calls the denoiser twice a step, and once in the
// last to no noise. It reads Eta, NoiseScale and Noise.
func DPMPP2SAncestral(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		middle := w.like()
		for w.next() {
			s, n := w.levels()
			down, up := ancestral(s, n, o.Eta)
			x0 := w.clean(x, s)
			if down > 0 {
				m := math.Sqrt(s * down)
				copy(middle.F32, x.F32)
				mix(middle.F32, m/s, 1-m/s, x0)
				x0 = w.clean(middle, m)
			}
			mix(x.F32, down/s, 1-down/s, x0)
			if up > 0 {
				w.noise(x.F32, up, s, n)
			}
		}
	}
}

// DPMPP2M is DPM-Solver++(2M) (Lu et al., arXiv 2211.01095, algorithm 2): clean
// latents are extrapolated from the last two predictions. It takes no options.
func DPMPP2M(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		before := w.like()
		var last float64 // the step before, in ln σ
		for w.next() {
			s, n := w.levels()
			h := math.Log(s / n)
			x0 := w.clean(x, s)
			share := 0.0
			if w.i > 0 && n > 0 {
				share = h / (2 * last)
			}
			mix(x.F32, n/s, (1-n/s)*(1+share), x0)
			if share > 0 {
				add(x.F32, -(1-n/s)*share, before.F32)
			}
			copy(before.F32, x0)
			last = h
		}
	}
}

// DPMPPSDE is DPM-Solver++ of the second order for the stochastic equation, two
// predictions a step (Lu et al., arXiv 2211.01095, in k-diffusion's form,
// sample_dpmpp_sde). It reads Eta, NoiseScale, Noise and Midpoint; its noise is
// that of two stretches that overlap, for which Brownian is meant.
func DPMPPSDE(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	r := o.Midpoint
	if r == 0 {
		r = .5
	}
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		middle, before := w.like(), w.like()
		for w.next() {
			s, n := w.levels()
			x0 := w.clean(x, s)
			if n == 0 {
				copy(x.F32, x0)
				continue
			}
			m := s * math.Pow(n/s, r)
			down, up := ancestral(s, m, o.Eta)
			copy(before.F32, x0)
			copy(middle.F32, x.F32)
			mix(middle.F32, down/s, 1-down/s, x0)
			if up > 0 {
				w.noise(middle.F32, up, s, m)
			}
			x0 = w.clean(middle, m)
			down, up = ancestral(s, n, o.Eta)
			share := 1 / (2 * r)
			mix(x.F32, down/s, (1-down/s)*(1-share), before.F32)
			add(x.F32, (1-down/s)*share, x0)
			if up > 0 {
				w.noise(x.F32, up, s, n)
			}
		}
	}
}

// DPMPP2MSDE is the multistep DPM-Solver++ of the second order for the stochastic
// equation, in the midpoint form (Lu et al., arXiv 2211.01095, SDE-DPM-Solver++(2M);
// k-diffusion's sample_dpmpp_2m_sde). It reads Eta, NoiseScale and Noise.
func DPMPP2MSDE(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return dpmpp2mSDE(ctx, d, x, p, o, func(_, a float64) float64 { return a / 2 })
}

// DPMPP2MSDEHeun is DPMPP2MSDE in Heun's form.
func DPMPP2MSDEHeun(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return dpmpp2mSDE(ctx, d, x, p, o, func(h, a float64) float64 { return 1 - a/h })
}

// dpmpp2mSDE weighs the difference of the last two predictions as second says of
// the step h(1+η) in ln σ and the prediction's own weight a.
func dpmpp2mSDE(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options, second func(h, a float64) float64) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		before := w.like()
		var last float64
		for w.next() {
			s, n := w.levels()
			x0 := w.clean(x, s)
			if n == 0 {
				copy(x.F32, x0)
				continue
			}
			h := math.Log(s / n)
			a := -math.Expm1(-h * (1 + o.Eta))
			g := 0.0
			if w.i > 0 {
				g = second(h*(1+o.Eta), a) * h / last
			}
			mix(x.F32, n/s*math.Exp(-o.Eta*h), a+g, x0)
			if g != 0 {
				add(x.F32, -g, before.F32)
			}
			w.brownian(s, n, h)
			copy(before.F32, x0)
			last = h
		}
	}
}

// DPMPP3MSDE is the multistep DPM-Solver++ of the third order for the stochastic
// equation (k-diffusion's sample_dpmpp_3m_sde). It reads Eta, NoiseScale and Noise.
func DPMPP3MSDE(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		one, two := w.like(), w.like() // the predictions before
		var h1, h2 float64             // the steps before
		for w.next() {
			s, n := w.levels()
			x0 := w.clean(x, s)
			if n == 0 {
				copy(x.F32, x0)
				continue
			}
			h := math.Log(s / n)
			e := h * (1 + o.Eta)
			phi2 := math.Expm1(-e)/e + 1
			phi3 := phi2/e - .5
			c0, c1, c2 := -math.Expm1(-e), 0.0, 0.0 // weights of the predictions
			switch {
			case w.i >= 2:
				// With A = (D - D1)/r0 and B = (D1 - D2)/r1 the step adds
				// φ2·(A + (A - B)·r0/(r0 + r1)) - φ3·(A - B)/(r0 + r1).
				r0, r1 := h1/h, h2/h
				ofA := phi2*(1+r0/(r0+r1)) - phi3/(r0+r1)
				ofB := -phi2*r0/(r0+r1) + phi3/(r0+r1)
				c0, c1, c2 = c0+ofA/r0, -ofA/r0+ofB/r1, -ofB/r1
			case w.i == 1:
				c0, c1 = c0+phi2*h/h1, -phi2*h/h1
			}
			mix(x.F32, math.Exp(-e), c0, x0)
			add(x.F32, c1, one.F32)
			add(x.F32, c2, two.F32)
			w.brownian(s, n, h)
			one, two = two, one
			copy(one.F32, x0)
			h1, h2 = h, h1
		}
	}
}

// brownian adds the noise that the stochastic equation has over a step of h in ln σ.
func (w *walker) brownian(s, n, h float64) {
	if w.o.Eta > 0 {
		w.noise(w.x.F32, n*math.Sqrt(-math.Expm1(-2*w.o.Eta*h)), s, n)
	}
}
