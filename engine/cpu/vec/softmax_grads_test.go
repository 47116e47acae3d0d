package vec

import (
	"fmt"
	"testing"
)

// TestSoftmaxGrads holds the gradients of blocks of a softmax, in every order of
// columns and with every result, against the functions of rows.
func TestSoftmaxGrads(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, size := range [][2]int{{1, 1}, {3, 31}, {15, 32}, {16, 33}, {17, 77}, {40, 130}} {
			rows, n := size[0], size[1]
			lse, delta := make([]float32, rows), make([]float32, rows)
			for r := range rows {
				lse[r], delta[r] = 9+float32(r%5), float32(r%3)/4-.2
			}
			for option := range 3 * 8 {
				kind, panels, causal, whole := option/8, option&1 != 0, option&2 != 0, option&4 != 0
				seen := n
				if causal {
					seen = n / 3
				}
				run := func(by kernels) [][]float32 {
					defer func(before kernels) { use = before }(use)
					use = by
					x, grads, dst := scores(rows, n, panels), scores(rows, n, panels), halvesOf(kind, rows, n)
					s := SoftmaxGrads{Scale: []float32{1, .7}[option%2], Delta: append([]float32(nil), delta...), Whole: whole}
					s.Block(x, grads, Mask{seen, causal}, lse, dst)
					results := [][]float32{x.elements(), grads.elements(), nil}
					if kind > 0 {
						results[2] = dst.elements(rows, n)
					}
					return results
				}
				what := fmt.Sprintf("%v kind %d panels %v causal %v whole %v", size, kind, panels, causal, whole)
				got, want := run(use), run(portable)
				if kind > 0 {
					nearHalves(t, what, kind, got[2], want[2])
					got[2], want[2] = nil, nil
				}
				near(t, what, got, want)
			}
		}
	})
}
