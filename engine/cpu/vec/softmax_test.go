package vec

import (
	"fmt"
	"math"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// scores are rows of n numbers in a grid, padded by NaN.
func scores(rows, n int, panels bool) Grid {
	g := Grid{make([]float32, rows*n), n, panelWidth, rows, n}
	if panels {
		g = Grid{make([]float32, (n+31)/32*(rows*32+16)), 32, rows*32 + 16, rows, n}
	}
	for i := range g.X {
		g.X[i] = float32(math.NaN())
	}
	row := make([]float32, n)
	for r := range rows {
		tensor.NewStream(5, uint64(r)).Normal(row)
		for c, v := range row {
			g.X[c/32*g.PanelStride+r*g.RowStride+c%32] = 4 * v
		}
	}
	return g
}

// elements are those of all rows, in order.
func (g *Grid) elements() []float32 {
	x := make([]float32, g.Rows*g.Cols)
	for i := range x {
		r, c := i/g.Cols, i%g.Cols
		x[i] = g.X[c/32*g.PanelStride+r*g.RowStride+c%32]
	}
	return x
}

// elements are the sums of both parts.
func (h *Halves) elements(rows, n int) []float32 {
	x := make([]float32, rows*n)
	for i := range x {
		r, c := i/n, i%n
		for part := range h.kind() {
			word := math.Float32bits(h.X[r*h.Distance+part*h.Low+c/2])
			x[i] += math.Float32frombits(word >> (c % 2 * 16) << 16)
		}
	}
	return x
}

// halvesOf is memory for high parts, or both, as kind says.
func halvesOf(kind, rows, n int) Halves {
	if kind == 0 {
		return Halves{}
	}
	width := (n + 31) / 32 * 16
	return Halves{make([]float32, rows*width*kind), width * kind, width * (kind - 1)}
}

// nearHalves compares up to a last place of a bfloat16, or of the sum of two.
func nearHalves(t *testing.T, what string, kind int, got, want []float32) {
	t.Helper()
	tol := map[int]float64{1: 1. / 128, 2: 1. / 32768}[kind]
	for i, w := range want {
		if d := math.Abs(float64(got[i] - w)); !(d <= math.Abs(float64(w))*tol+1e-6) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], w)
		}
	}
}

// TestSoftmax holds blocks of a softmax, in every order of columns and with every
// result, against the functions of rows.
func TestSoftmax(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, size := range [][2]int{{1, 1}, {3, 31}, {15, 32}, {16, 33}, {17, 77}, {40, 130}} {
			for kind := range 3 {
				for option := range 8 {
					rows, n, seen := size[0], size[1], size[1]
					panels, causal, negative := option&1 != 0, option&2 != 0, option&4 != 0
					if causal {
						seen = n / 3
						if negative {
							seen = -2
						}
					}
					run := func(by kernels) [][]float32 {
						defer func(before kernels) { use = before }(use)
						use = by
						x, state := scores(rows, n, panels), arrays(3, rows)
						s := Softmax{Top: state[0], Total: state[1], Shrink: state[2]}
						dst := halvesOf(kind, rows, n)
						grown := s.Block(x, Mask{seen, causal}, dst)
						result := x.elements()
						if kind > 0 {
							result = dst.elements(rows, n)
						}
						flag := float32(0)
						if grown {
							flag = 1
						}
						return append(state, result, []float32{flag})
					}
					what := fmt.Sprintf("%v kind %d panels %v causal %v from %d", size, kind, panels, causal, seen)
					got, want := run(use), run(portable)
					if kind > 0 {
						nearHalves(t, what, kind, got[3], want[3])
						got[3], want[3] = nil, nil
					}
					near(t, what, got, want)
				}
			}
		}
	})
}

// TestSoftmaxScaling holds the multiplications of rows against their definition.
func TestSoftmaxScaling(t *testing.T) {
	levels(t, func(t *testing.T) {
		for n := 1; n <= 70; n++ {
			for _, panels := range []bool{false, true} {
				const rows, ldd = 5, 73
				x := scores(rows, n, panels)
				at := func(r, c int) *float32 { return &x.X[c/32*x.PanelStride+r*x.RowStride+c%32] }
				s := Softmax{Total: []float32{2, 1, -.5, 4, 3}, Shrink: []float32{2, 1, -.5, 0, 3}}
				var got, want [2][]float32
				got[1], want[1] = make([]float32, rows*ldd), make([]float32, rows*ldd)
				for r := range rows {
					for c := range n {
						want[0] = append(want[0], *at(r, c)*s.Shrink[r])
						want[1][r*ldd+c] = *at(r, c) * s.Shrink[r] / s.Total[r]
					}
				}
				s.Rescale(x)
				for r := range rows {
					for c := range n {
						got[0] = append(got[0], *at(r, c))
					}
				}
				s.Finish(got[1], ldd, x)
				near(t, fmt.Sprintf("rows of %d, panels %v", n, panels), got[:], want[:])
			}
		}
	})
}
