package vec

import (
	"fmt"
	"math"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// arrays are n arrays of so many numbers each, with one canary behind each.
func arrays(count, n int) [][]float32 {
	all := make([][]float32, count)
	for i := range all {
		all[i] = make([]float32, n+1)
		tensor.NewStream(uint64(i), 9).Normal(all[i])
	}
	return all
}

// TestAgainstPortable holds operations on many arrays against plain Go.
func TestAgainstPortable(t *testing.T) {
	step := AdamW{.1, .9, .99, 1e-8, .01}.Step(3, .5)
	operations := map[string]func(k *kernels, a [][]float32, n int){
		"LayerNorm": func(k *kernels, a [][]float32, n int) {
			k.layerNorm(&a[0][0], &a[1][0], &a[2][0], &a[3][0], n, .3, 1.5)
		},
		"LayerNormSums": func(k *kernels, a [][]float32, n int) {
			a[5][0], a[5][1] = k.layerNormSums(&a[0][0], &a[1][0], &a[2][0], &a[3][0], &a[4][0], n, .3, 1.5)
		},
		"LayerNormGrad": func(k *kernels, a [][]float32, n int) {
			k.layerNormGrad(&a[0][0], &a[1][0], &a[2][0], &a[3][0], n, .3, 1.5, .2, .7)
		},
		"GEGLUGrad": func(k *kernels, a [][]float32, n int) {
			k.gegluGrad(&a[0][0], &a[1][0], &a[2][0], &a[3][0], &a[4][0], n)
		},
		"GEGLUGrad in place": func(k *kernels, a [][]float32, n int) {
			k.gegluGrad(&a[0][0], &a[1][0], &a[0][0], &a[1][0], &a[2][0], n)
		},
		"GEGLUBoth": func(k *kernels, a [][]float32, n int) {
			k.gegluBoth(&a[0][0], &a[1][0], &a[2][0], n)
		},
		"AdamW": func(k *kernels, a [][]float32, n int) {
			for i, v := range a[2] {
				a[2][i] = v * v
			}
			k.adamw(&a[0][0], &a[1][0], &a[2][0], &a[3][0], n, &step.k[0])
		},
	}
	levels(t, func(t *testing.T) {
		for name, run := range operations {
			for n := 1; n <= 70; n++ {
				got, want := arrays(6, n), arrays(6, n)
				run(&use, got, n)
				run(&portable, want, n)
				near(t, fmt.Sprintf("%s of %d", name, n), got, want)
			}
		}
	})
}

// TestRows holds operations on rows against plain Go.
func TestRows(t *testing.T) {
	levels(t, func(t *testing.T) {
		for fn := range use.rows {
			for c := 1; c <= 70; c++ {
				for _, rows := range []int{1, 2, 3, 4, 7, 8} {
					run := func(k *kernels) [][]float32 {
						a := append(arrays(3, rows*c), arrays(6, c)...)
						k.rows[fn](&rowArgs{rows, c, &a[0][0], &a[1][0], &a[2][0], &a[3][0], &a[4][0], &a[5][0], &a[6][0], &a[7][0], &a[8][0]})
						return a
					}
					near(t, fmt.Sprintf("operation %d on %d rows of %d", fn, rows, c), run(&use), run(&portable))
				}
			}
		}
	})
}

func near(t *testing.T, name string, got, want [][]float32) {
	t.Helper()
	for k := range got {
		for i, w := range want[k] {
			if d := math.Abs(float64(got[k][i] - w)); !(d <= 1e-5*max(1, math.Abs(float64(w)))) {
				t.Fatalf("%s: element %d of array %d is %g, want %g", name, i, k, got[k][i], w)
			}
		}
	}
}

// TestNaNInLayers: a NaN at any place of what is computed reaches the result.
func TestNaNInLayers(t *testing.T) {
	nan := float32(math.NaN())
	levels(t, func(t *testing.T) {
		var r Rows
		for c := 1; c <= 70; c++ {
			for at := range c {
				x, y, one, zero := sample(c, 1), make([]float32, c), ones(c), make([]float32, c)
				x[at] = nan
				LayerNorm(y, x, one, zero, 0, 1)
				m1, m2 := LayerNormSums(one, x, RowNorm{one, 0, 1}, y, y)
				r.AffineSiLU(zero, x, one, one, one)
				if y[at] == y[at] || m1 == m1 || m2 == m2 || zero[at] == zero[at] {
					t.Fatalf("a NaN at %d of %d got lost", at, c)
				}
			}
		}
	})
}
