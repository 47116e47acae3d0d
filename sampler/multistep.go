package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// LMS is the linear multistep method (Adams and Bashforth) over uneven steps, as
// k-diffusion's sample_lms: the polynomial through the last slopes, integrated
// over the step. It reads Order, 1 to 4 (4).
func LMS(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	order := o.Order
	if order == 0 {
		order = 4
	}
	return slopesMethod(ctx, d, x, p, o, order, func(w *walker, order int) []float64 {
		s, n := w.levels()
		return integrals(s, n, w.before(order), func(sigma float64) float64 { return sigma })
	})
}

// IPNDM weighs the last four slopes as if the steps were even (Zhang and Chen, arXiv
// 2204.13902, improved PNDM, table 1). It takes no options.
func IPNDM(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return slopesMethod(ctx, d, x, p, o, 4, func(w *walker, order int) []float64 {
		s, n := w.levels()
		weights := make([]float64, order)
		for j, a := range adamsBashforth[order-1] {
			weights[j] = (n - s) * a
		}
		return weights
	})
}

// adamsBashforth are the weights of the last slopes over even steps.
var adamsBashforth = [][]float64{
	{1},
	{3. / 2, -1. / 2},
	{23. / 12, -16. / 12, 5. / 12},
	{55. / 24, -59. / 24, 37. / 24, -9. / 24},
}

// IPNDMV is IPNDM with weights that follow the steps' lengths, as k-diffusion's
// descendants have them (sample_ipndm_v): not the exact ones, which LMS has, from
// the third order on. It takes no options.
func IPNDMV(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return slopesMethod(ctx, d, x, p, o, 4, func(w *walker, order int) []float64 {
		h := make([]float64, order) // this step and those before
		for j := range h {
			h[j] = w.steps[w.i-j].n - w.steps[w.i-j].s
		}
		c := make([]float64, order)
		c[0] = 1
		if order >= 2 {
			q := h[0] / h[1]
			c[0], c[1] = 1+q/2, -q/2
		}
		if order >= 3 {
			q := h[1] / h[2]
			t := (1 - h[0]/(3*(h[0]+h[1]))*h[0]*(h[0]+h[1])/(h[1]*(h[1]+h[2]))) / 2
			c[0], c[1], c[2] = c[0]+t, c[1]-(1+q)*t, c[2]+q*t
		}
		if order >= 4 {
			two, three := h[0]+h[1], h[0]+h[1]+h[2]
			u := ((1-h[0]/(3*two))/2 + (1-h[0]/(2*two))*h[0]/(6*three)) * h[0] * two * three / (h[1] * (h[1] + h[2]) * (h[1] + h[2] + h[3]))
			q, r, z := h[1]/h[2], h[2]/h[3], h[1]*(h[1]+h[2])/(h[2]*(h[2]+h[3]))
			c[0], c[1], c[2], c[3] = c[0]+u, c[1]-(1+q+z)*u, c[2]+(q+z*(1+r))*u, c[3]-u*z*q
		}
		for j := range c {
			c[j] *= h[0]
		}
		return c
	})
}

// DEIS integrates over σ the polynomial through the last three slopes in the time of
// a variance preserving process (Zhang and Chen, arXiv 2204.13902, tAB-DEIS,
// equation 15; in the form of k-diffusion's descendants, sample_deis). It takes no
// options.
func DEIS(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return slopesMethod(ctx, d, x, p, o, 3, func(w *walker, order int) []float64 {
		s, n := w.levels()
		if n == 0 {
			return []float64{n - s}
		}
		return integrals(s, n, w.before(order), vpTime)
	})
}

// vpTime is the time at which a process whose β rises linearly has a noise level:
// it reaches 0.002 at time 0.001 and 80 at time 1.
func vpTime(sigma float64) float64 {
	first, last := math.Log1p(.002*.002)/.001, math.Log1p(80*80)
	rise := 2 * (first - last) / (.001 - 1)
	least := last - rise/2
	return (math.Sqrt(least*least+2*rise*math.Log1p(sigma*sigma)) - least) / rise
}

// slopesMethod is a sampler whose step is a weighted sum of the last slopes.
func slopesMethod(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options, most int, weights func(w *walker, order int) []float64) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		if w.err == nil && (most < 1 || most > 4) {
			w.err = fault.Inputf("order %d: want 1 to 4", most)
		}
		var slopes []*tensor.Tensor // the last one first
		for w.next() {
			s, _ := w.levels()
			slopes = w.remember(slopes, most)
			slope(slopes[0].F32, x.F32, w.clean(x, s), s)
			for j, c := range weights(w, len(slopes)) {
				add(x.F32, c, slopes[j].F32)
			}
		}
	}
}

// before are the noise levels at which the last slopes were taken, this step's first.
func (w *walker) before(order int) []float64 {
	levels := make([]float64, order)
	for j := range levels {
		levels[j] = w.steps[w.i-j].s
	}
	return levels
}

// integrals are those from s to n of the polynomials in time(σ) that are 1 at one of
// the levels and 0 at the others (Lagrange's), by Gauss and Legendre's rule
// with eight points: exact up to degree 15.
func integrals(s, n float64, levels []float64, time func(float64) float64) []float64 {
	out := make([]float64, len(levels))
	for k, node := range gaussNodes {
		for _, sign := range []float64{-1, 1} {
			t := time((s+n)/2 + sign*node*(n-s)/2)
			for j, at := range levels {
				v := gaussWeights[k] * (n - s) / 2
				for l, other := range levels {
					if l != j {
						v *= (t - time(other)) / (time(at) - time(other))
					}
				}
				out[j] += v
			}
		}
	}
	return out
}

var (
	gaussNodes   = []float64{0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363}
	gaussWeights = []float64{0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763}
)
