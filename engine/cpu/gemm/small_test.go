package gemm

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/small"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// smallKinds are the small products this machine has, with the error they may make.
func smallKinds() map[string]func() (*small.Small, float64) {
	kinds := map[string]func() (*small.Small, float64){
		"f32": func() (*small.Small, float64) { return small.NewSmall(plans.Exact), 2e-6 },
	}
	for _, level := range []isa.Level{isa.Portable, isa.AVX512BF16, isa.NEONBF16} {
		if !slices.Contains(isa.Available(), level) {
			continue
		}
		kinds[fmt.Sprint(level, " bf16")] = func() (*small.Small, float64) { return small.NewSmallTiles(level, false), 1e-2 }
		kinds[fmt.Sprint(level, " split")] = func() (*small.Small, float64) { return small.NewSmallTiles(level, true), 1e-5 }
	}
	return kinds
}

// dirty is memory that was used before.
func dirty(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// gridOf makes a grid of the rows of x.
func gridOf(g vec.Grid, x []float32, rows, cols int) {
	for i, v := range x[:rows*cols] {
		r, c := i/cols, i%cols
		g.X[c/kernels.Side*g.PanelStride+r*g.RowStride+c%kernels.Side] = v
	}
}

func TestSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies many shapes")
	}
	for name, kind := range smallKinds() {
		s, tol := kind()
		for _, p := range []plans.MatMul{{M: 13, N: 35, K: 9}, {M: 1, N: 1, K: 4}, {M: 64, N: 64, K: 32}, {M: 7, N: 40, K: 50}, {M: 300, N: 33, K: 301}} {
			for _, trans := range []plans.MatMul{{}, {TransB: true}, {TransA: true}} {
				p.TransA, p.TransB = trans.TransA, trans.TransB
				a, b, c := random(p.M*p.K, 1), random(p.K*p.N, 2), random(p.M*p.N, 3)
				want := naiveMatMul(p, a, b)
				left, right := dirty(s.LeftLen(p.M, p.K)), dirty(s.RightLen(p.N, p.K))
				memory, got := dirty(s.MulTLen(p.M, p.N, p.K)), dirty(p.M*p.N)
				grid := s.Grid(dirty(s.GridLen(p.K, p.M)), p.K, p.M)
				if p.TransA {
					gridOf(grid, a, p.K, p.M)
				}
				multiply := func(accumulate bool, c []float32) {
					result := vec.Matrix{X: c, Rows: p.M, Cols: p.N, Stride: p.N}
					switch {
					case p.TransA:
						s.MulT(memory, result, grid, vec.Matrix{X: b, Rows: p.K, Cols: p.N, Stride: p.N}, accumulate)
						return
					case p.TransB:
						s.RightT(right, vec.Matrix{X: b, Rows: p.N, Cols: p.K, Stride: p.K})
					default:
						s.Right(right, vec.Matrix{X: b, Rows: p.K, Cols: p.N, Stride: p.N})
					}
					s.Mul(result, s.Left(left, vec.Matrix{X: a, Rows: p.M, Cols: p.K, Stride: p.K}), right, accumulate)
				}
				if n := testing.AllocsPerRun(3, func() { multiply(false, got) }); n != 0 {
					t.Errorf("%s %+v: %g allocations", name, p, n)
				}
				if e := relErr(got, want); !(e < tol) {
					t.Errorf("%s %+v: error %g", name, p, e)
				}
				for i := range want {
					want[i] += float64(c[i])
				}
				if multiply(true, c); !(relErr(c, want) < tol) {
					t.Errorf("%s %+v added: error %g", name, p, relErr(c, want))
				}
			}
		}
	}
}

func TestTranspose(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {8, 8}, {16, 16}, {7, 40}, {40, 77}, {33, 24}} {
		rows, cols, lds, ldd := s[0], s[1], s[1]+3, s[0]+5
		src, dst := random(rows*lds, 1), make([]float32, cols*ldd)
		plans.Transpose(dst, ldd, src, lds, rows, cols)
		for i, v := range dst {
			want := float32(0)
			if c, r := i/ldd, i%ldd; r < rows {
				want = src[r*lds+c]
			}
			if v != want {
				t.Fatalf("%v: element %d is %g, want %g", s, i, v, want)
			}
		}
	}
}
