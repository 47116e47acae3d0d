package vec

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

func sample(n int, scale float32) []float32 {
	x := make([]float32, n)
	tensor.NewStream(3, uint64(n)).Normal(x)
	for i := range x {
		x[i] *= scale
	}
	return x
}

// TestFunctions measures errors against float64, relative to max(|x|, 1).
func TestFunctions(t *testing.T) {
	for _, f := range []struct {
		name string
		run  func(dst, x []float32)
		want func(float64) float64
		tol  float64
	}{
		{"SiLU", SiLU, func(x float64) float64 { return x * sigmoid(x) }, 4e-7},
		{"GELU", GELU, func(x float64) float64 { return x * phi(x) }, 3e-7},
		{"ReLU", ReLU, func(x float64) float64 { return max(x, 0) }, 0},
		{"SiLUGrad", func(d, x []float32) { SiLUGrad(d, x, ones(len(x))) }, func(x float64) float64 {
			s := sigmoid(x)
			return s * (1 + x*(1-s))
		}, 1e-6},
		{"GELUGrad", func(d, x []float32) { GELUGrad(d, x, ones(len(x))) }, func(x float64) float64 {
			return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		}, 6e-7},
	} {
		for _, n := range []int{1, 15, 16, 33, 70001} {
			x := sample(n, 4)
			got := make([]float32, n)
			f.run(got, x)
			var worst float64
			for i, v := range x {
				want := f.want(float64(v))
				worst = max(worst, math.Abs(float64(got[i])-want)/max(math.Abs(float64(v)), 1))
			}
			if !(worst <= f.tol) {
				t.Errorf("%s of %d: error %g", f.name, n, worst)
			}
		}
	}
	x := sample(5000, 20)
	got := make([]float32, len(x))
	Exp(got, x)
	for i, v := range x {
		if want := math.Exp(float64(v)); math.Abs(float64(got[i])/want-1) > 2e-7 {
			t.Fatalf("Exp(%g) = %g, want %g", v, got[i], want)
		}
	}
	nan := []float32{float32(math.NaN())}
	for _, f := range []func(d, x []float32){SiLU, GELU, Exp} {
		f(got[:1], nan)
		if got[0] == got[0] {
			t.Error("a NaN got lost")
		}
	}
}

func ones(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// TestAgainstPortable holds what is in use against plain Go.
func TestAgainstPortable(t *testing.T) {
	const rows = 7
	for _, c := range []int{1, 16, 37, 160} {
		for fn := range rowOps {
			make6 := func() (a rowArgs, all [][]float32) {
				for i := range 9 {
					n := c
					if i < 3 {
						n *= rows
					}
					x := make([]float32, n)
					tensor.NewStream(uint64(i), 9).Normal(x)
					all = append(all, x)
				}
				return rowArgs{rows, c, &all[0][0], &all[1][0], &all[2][0], &all[3][0], &all[4][0], &all[5][0], &all[6][0], &all[7][0], &all[8][0]}, all
			}
			a, got := make6()
			b, want := make6()
			rowOps[fn](&a)
			portableRowOps[fn](&b)
			for i := range got {
				near(t, fn, got[i], want[i])
			}
		}
	}
	step := NewAdamWStep(.1, .9, .99, 1e-8, .01, .5, 3)
	p, m, v, g := sample(100, 1), sample(100, .1), ones(100), sample(100, 2)
	p2, m2, v2 := append([]float32(nil), p...), append([]float32(nil), m...), append([]float32(nil), v...)
	step.Apply(p, m, v, g)
	portableAdamW(&p2[0], &m2[0], &v2[0], &g[0], 100, &step.k[0])
	near(t, -1, p, p2)
	near(t, -1, m, m2)
	near(t, -1, v, v2)
	x := sample(99, 3)
	y := make([]float32, 99)
	sum := ExpSum(y, x, 2)
	var want float64
	for _, v := range x {
		want += math.Exp(float64(v) - 2)
	}
	if math.Abs(float64(sum)/want-1) > 1e-6 {
		t.Errorf("ExpSum %g, want %g", sum, want)
	}
}

func near(t *testing.T, fn int, got, want []float32) {
	t.Helper()
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-5*max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("operation %d: element %d is %g, want %g", fn, i, got[i], want[i])
		}
	}
}

func TestMax(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 31, 32, 33, 100} {
		x := make([]float32, n+1)
		tensor.NewStream(3, uint64(n)).Uniform(x, -3, -1)
		x[n] = 5 // beyond
		for i := range n {
			before := x[i]
			x[i] = -.5
			if got := Max(x[:n]); got != -.5 {
				t.Errorf("%d numbers, largest at %d: %g", n, i, got)
			}
			x[i] = before
		}
	}
}
