package layer

import (
	"fmt"
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// plainFeedForward computes y, and from dy all gradients, as the formulas stand, in float64.
func plainFeedForward(f FeedForward, x []float32, p FeedForwardParams, dy []float32) (y, dx, dw, db, dv []float64) {
	y, dx = make([]float64, f.Rows*f.D), make([]float64, f.Rows*f.C)
	dw, db, dv = make([]float64, len(p.W)), make([]float64, len(p.B)), make([]float64, len(p.V))
	pre := make([]float64, 2*f.Inner)
	for r := range f.Rows {
		x, dx, y, dy := x[r*f.C:][:f.C], dx[r*f.C:][:f.C], y[r*f.D:][:f.D], dy[r*f.D:][:f.D]
		for i := range pre {
			pre[i] = float64(p.B[i])
			for c, v := range x {
				pre[i] += float64(v) * float64(p.W[i*f.C+c])
			}
		}
		for d := range y {
			y[d] = float64(p.Out[d])
		}
		for i := range f.Inner {
			v, g := pre[i], pre[f.Inner+i]
			phi := math.Erfc(-g/math.Sqrt2) / 2
			var dh float64
			for d := range y {
				w := float64(p.V[d*f.Inner+i])
				y[d] += v * g * phi * w
				dh += float64(dy[d]) * w
				dv[d*f.Inner+i] += float64(dy[d]) * v * g * phi
			}
			for j, e := range map[int]float64{i: dh * g * phi, f.Inner + i: dh * v * (phi + g*math.Exp(-g*g/2)/math.Sqrt(2*math.Pi))} {
				db[j] += e
				for c, v := range x {
					dw[j*f.C+c] += e * float64(v)
					dx[c] += e * float64(p.W[j*f.C+c])
				}
			}
		}
	}
	return y, dx, dw, db, dv
}

func normal(n int, seed uint64) []float32 {
	x := make([]float32, n)
	tensor.NewStream(7, seed).Normal(x)
	return x
}

// TestFeedForward holds both passes against plain sums, and any number of workers
// against one, bit for bit.
func TestFeedForward(t *testing.T) {
	if testing.Short() {
		t.Skip("computes many shapes in float64")
	}
	for _, prec := range []gemm.Precision{gemm.F32, gemm.BF16} {
		tol := 3e-5
		if prec == gemm.BF16 {
			tol = 1.5e-2
		}
		for _, f := range []FeedForward{{640, 160, 288, 40, prec}, {192, 40, 70, 33, prec}} {
			if !f.Serves() {
				t.Skipf("%+v: no products of tiles here", f)
			}
			x, dy, add := normal(f.Rows*f.C, 1), normal(f.Rows*f.D, 2), normal(f.Rows*f.D, 3)
			p := FeedForwardParams{W: normal(2*f.Inner*f.C, 4), B: normal(2*f.Inner, 5), V: normal(f.D*f.Inner, 6), Out: normal(f.D, 7)}
			for _, w := range [][]float32{p.W, p.V} {
				vec.Affine(w, w, .1, 0)
			}
			y, dx, dw, db, dv := plainFeedForward(f, x, p, dy)
			for i := range y {
				y[i] += float64(add[i])
			}
			var first [][]float32
			for workers := 1; workers <= 3; workers++ {
				got := runFeedForward(f, x, p, dy, add, workers)
				for i, want := range [][]float64{y, dx, dw, db, dv} {
					if e := attentionError(got[i], want); !(e <= tol) {
						t.Errorf("%+v: result %d is off by %g", f, i, e)
					}
					if workers > 1 && fmt.Sprint(got[i]) != fmt.Sprint(first[i]) {
						t.Errorf("%+v: result %d differs on %d workers", f, i, workers)
					}
				}
				if workers == 1 {
					first = got
				}
			}
		}
	}
}

// runFeedForward returns y and the gradients.
func runFeedForward(f FeedForward, x []float32, p FeedForwardParams, dy, add []float32, workers int) [][]float32 {
	pool := par.NewPool(workers)
	defer pool.Close()
	d := FeedForwardGrads{X: dirty(len(x)), W: dirty(len(p.W)), B: dirty(len(p.B)), V: dirty(len(p.V))}
	y := dirty(len(dy))
	pool.Run(f.Forward(x, p, add, y, dirty(f.ScratchLen(workers, false)), workers))
	pool.Run(f.Backward(x, dy, p, d, dirty(f.ScratchLen(workers, true)), workers))
	return [][]float32{y, d.X, d.W, d.B, d.V}
}
