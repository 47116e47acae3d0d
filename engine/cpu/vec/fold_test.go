package vec

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// TestFolds holds sums against float64.
func TestFolds(t *testing.T) {
	levels(t, func(t *testing.T) {
		for n := range 73 {
			if n > 70 {
				n *= 1901 // beyond the length of one call
			}
			x, y, e := sample(n, 3), sample(2*n, 3)[n:], make([]float32, n)
			var sum, dot, deviation, norm, exp, size float64
			for i, v := range x {
				a := float64(v)
				sum += a
				dot += a * float64(y[i])
				deviation += (a - .5) * (a - .5)
				norm += a * a
				exp += math.Exp(a - 2)
				size += math.Abs(a) + math.Abs(a*float64(y[i]))
			}
			for _, c := range []struct {
				name      string
				got, want float64
				tol       float64
			}{
				{"Sum", float64(Sum(x)), sum, 1e-6 * size},
				{"Dot", float64(Dot(x, y)), dot, 1e-6 * size},
				{"Deviation", float64(Deviation(x, .5)), deviation, 1e-5 * deviation},
				{"SquaredNorm", SquaredNorm(x), norm, 1e-12 * norm},
				{"ExpSum", float64(ExpSum(e, x, 2)), exp, 1e-5 * exp},
			} {
				if !(math.Abs(c.got-c.want) <= c.tol) {
					t.Errorf("%s of %d is %g, want %g", c.name, n, c.got, c.want)
				}
			}
			for i, v := range x {
				if want := math.Exp(float64(v) - 2); math.Abs(float64(e[i])-want) > 1e-6*want {
					t.Fatalf("ExpSum writes %g for %g", e[i], v)
				}
			}
		}
	})
}

// TestFoldsOfSpecialValues: none gets lost, wherever it is, and huge numbers
// do not overflow the norm.
func TestFoldsOfSpecialValues(t *testing.T) {
	levels(t, func(t *testing.T) {
		for n := 1; n <= 70; n++ {
			for at := range n {
				for _, v := range special {
					x, y, e := sample(n, 1), ones(n), make([]float32, n)
					x[at] = v
					for name, got := range map[string]float64{
						"Sum": float64(Sum(x)), "Dot": float64(Dot(x, y)), "Dot, other side": float64(Dot(y, x)),
						"SquaredNorm": SquaredNorm(x), "ExpSum": float64(ExpSum(e, x, 0)),
					} {
						bad := v-v != 0
						if name == "ExpSum" {
							bad = v != v // as e^x is limited, ±∞ adds a number
						}
						if (got-got != 0) != bad {
							t.Fatalf("%s with %g at %d of %d is %g", name, v, at, n, got)
						}
					}
				}
			}
		}
	})
}

func TestMax(t *testing.T) {
	levels(t, func(t *testing.T) {
		for n := 1; n < 150; n++ {
			x := make([]float32, n+1)
			tensor.NewStream(3, uint64(n)).Uniform(x, -3, -1)
			x[n] = 5 // beyond
			for i := range n {
				before := x[i]
				for _, top := range []float32{-.5, 1e-45, math.MaxFloat32, float32(math.Inf(1))} {
					x[i] = top
					if got := Max(x[:n]); got != top {
						t.Errorf("%d numbers, largest at %d: %g", n, i, got)
					}
				}
				x[i] = before
			}
		}
		x := make([]float32, 3*longest)
		x[2*longest+5] = 1
		if Max(x) != 1 {
			t.Error("a long array's largest number got lost")
		}
	})
}
