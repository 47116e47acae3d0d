package sampler

import (
	"context"
	"iter"
	"math"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// UniPC is the multistep predictor and corrector of Zhao et al. (arXiv 2302.04867,
// algorithms 5 and 6, predicting x0) with B(h) = e^h - 1 (bh2). One call of the
// denoiser a step serves both. It reads Order, 1 to 3 (3); the last steps are of
// lower order, and a path that ends at 0 is ended at 0.001.
func UniPC(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return unipc(ctx, d, x, p, o, math.Expm1)
}

// UniPCBH1 is UniPC with B(h) = h (bh1).
func UniPCBH1(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return unipc(ctx, d, x, p, o, func(h float64) float64 { return h })
}

func unipc(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options, bh func(float64) float64) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield)
		order := o.Order
		if order == 0 {
			order = 3
		}
		if w.err == nil && (order < 1 || order > 3) {
			w.err = fault.Inputf("order %d: want 1 to 3", order)
		}
		total := len(w.steps)
		order = min(order, max(total-1, 1))
		if w.err == nil && w.steps[total-1].n == 0 {
			w.steps[total-1].n = min(.001, w.steps[total-1].s/2)
		}
		var models []*tensor.Tensor // predictions, the last one first
		var lambdas []float64       // where: -ln σ
		keep := func(x0 []float32, sigma float64) {
			models = w.remember(models, order)
			copy(models[0].F32, x0)
			lambdas = slices.Insert(lambdas, 0, -math.Log(sigma))
		}
		base, ahead := w.like(), w.like()
		for w.next() {
			s, n := w.levels()
			if w.i == 0 {
				x0, _ := w.predict(x, s)
				keep(x0, s)
			}
			q := uniStep(bh, lambdas[:min(w.i+1, order, total-w.i)], -math.Log(n))
			_, std := coefficients(s)
			alpha, next := coefficients(n)
			copy(base.F32, x.F32)
			mix(base.F32, next/std, -alpha*math.Expm1(q.h), models[0].F32)
			target := ahead
			if w.i+1 == total {
				target = x
			}
			copy(target.F32, base.F32)
			q.add(target.F32, -alpha, q.predictor, models)
			if target == x {
				continue
			}
			x0, _ := w.predict(ahead, n)
			copy(x.F32, base.F32)
			q.add(x.F32, -alpha, q.corrector, models)
			last := q.corrector[len(q.corrector)-1] * -alpha * q.b
			add(x.F32, last, x0)
			add(x.F32, -last, models[0].F32)
			keep(x0, n)
		}
	}
}

// uni are the coefficients of a step of UniPC.
type uni struct {
	h, b                 float64 // of the step; both are negative, as x0 is predicted
	r                    []float64
	predictor, corrector []float64
}

// uniStep solves equation 9 of the paper for the step from lambdas[0] to end, the
// other lambdas being those of earlier predictions.
func uniStep(bh func(float64) float64, lambdas []float64, end float64) uni {
	order := len(lambdas)
	h := end - lambdas[0]
	q := uni{h: -h, b: bh(-h)}
	for _, l := range lambdas[1:] {
		q.r = append(q.r, (l-lambdas[0])/h)
	}
	r := append(slices.Clone(q.r), 1)
	rows, right := make([][]float64, order), make([]float64, order)
	phi, factorial := math.Expm1(q.h)/q.h-1, 1.0
	for k := range order {
		factorial *= float64(k + 1)
		right[k] = phi * factorial / q.b
		phi = phi/q.h - 1/(factorial*float64(k+2))
		for _, v := range r {
			rows[k] = append(rows[k], math.Pow(v, float64(k)))
		}
	}
	switch order {
	case 1:
		q.corrector = []float64{.5}
		return q
	case 2:
		q.predictor = []float64{.5}
	default:
		q.predictor = solve(rows, right, order-1)
	}
	q.corrector = solve(rows, right, order)
	return q
}

// add adds c·B·Σ ρ·(m_i - m_0)/r_i over the earlier predictions.
func (q uni) add(x []float32, c float64, rho []float64, models []*tensor.Tensor) {
	for i, r := range q.r {
		v := c * q.b * rho[i] / r
		add(x, v, models[i+1].F32)
		add(x, -v, models[0].F32)
	}
}

// solve solves the first n equations for the first n unknowns, by elimination.
func solve(rows [][]float64, right []float64, n int) []float64 {
	a := make([][]float64, n)
	for i := range a {
		a[i] = append(slices.Clone(rows[i][:n]), right[i])
	}
	for i := range a {
		for j := i + 1; j < n; j++ {
			f := a[j][i] / a[i][i]
			for k := i; k <= n; k++ {
				a[j][k] -= f * a[i][k]
			}
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = a[i][n]
		for k := i + 1; k < n; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}
