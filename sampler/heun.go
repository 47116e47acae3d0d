package sampler

import (
	"context"
	"iter"

	"github.com/ldm-go/ldm/tensor"
)

// Heun is the sampler of Karras et al. (arXiv 2206.00364, algorithm 2): a step of
// Euler's, then one with the mean of the slopes at both ends. It calls the
// denoiser twice a step, and once in the last to no noise. It reads Churn, and
// with it NoiseScale and Noise.
func Heun(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		h := w.heun()
		for w.next() {
			s, n := w.churned()
			h.step(s, n)
		}
	}
}

// heun is a step of Heun's with its memory.
type heun struct {
	w          *walker
	d, d2, end *tensor.Tensor
}

func (w *walker) heun() heun { return heun{w, w.like(), w.like(), w.like()} }

func (h heun) step(s, n float64) {
	x := h.w.x.F32
	slope(h.d.F32, x, h.w.clean(h.w.x, s), s)
	if n == 0 {
		add(x, n-s, h.d.F32)
		return
	}
	ahead(h.end.F32, x, n-s, h.d.F32)
	slope(h.d2.F32, h.end.F32, h.w.clean(h.end, n), n)
	add(x, (n-s)/2, h.d.F32)
	add(x, (n-s)/2, h.d2.F32)
}

// HeunPP2 weighs Heun's slopes by their noise levels, and takes a third one from a
// step further on (k-diffusion's descendants' sample_heunpp2, after Lu et al.'s
// Heun++). Only of the first order; it takes no options.
func HeunPP2(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		d1, d2, d3, end := w.like(), w.like(), w.like(), w.like()
		for w.next() {
			s, n := w.levels()
			slope(d1.F32, x.F32, w.clean(x, s), s)
			if n == 0 || w.i+1 == len(w.steps) {
				add(x.F32, n-s, d1.F32)
				continue
			}
			first, q := w.steps[0].s, w.steps[w.i+1].n // q is the level after n
			ahead(end.F32, x.F32, n-s, d1.F32)
			slope(d2.F32, end.F32, w.clean(end, n), n)
			w2, w3 := n/(2*first), 0.0
			if q > 0 {
				add(end.F32, q-n, d2.F32)
				slope(d3.F32, end.F32, w.clean(end, q), q)
				w2, w3 = n/(3*first), q/(3*first)
				add(x.F32, w3*(n-s), d3.F32)
			}
			add(x.F32, (1-w2-w3)*(n-s), d1.F32)
			add(x.F32, w2*(n-s), d2.F32)
		}
	}
}
