package gemm

import (
	"fmt"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// TestGEGLU: joined in the product, values and gates give the bits that they give
// when the product is made whole, for halves of any width.
func TestGEGLU(t *testing.T) {
	for _, m := range []struct{ rows, depth, half int }{{5, 36, 25}, {70, 200, 32}, {130, 260, 100}, {33, 130, 7}} {
		x, w, bias := random(m.rows*m.depth, 1), random(2*m.half*m.depth, 2), random(2*m.half, 3)
		check := func(what string, plan func(w weights, workers int) *Plan) {
			wt := weights{cols: 2 * m.half, depth: m.depth, taps: 1, strideCol: m.depth, strideDepth: 1}
			whole, want := make([]float32, m.rows*2*m.half), make([]float32, m.rows*m.half)
			run(plan(wt, 1), 1, Args{X: x, W: w, Y: whole, Bias: bias})
			for r := range m.rows {
				row := whole[r*2*m.half:][:2*m.half]
				vec.GEGLU(want[r*m.half:][:m.half], row[:m.half], row[m.half:])
			}
			wt.gated = true
			for workers := 1; workers <= 2; workers++ {
				got := make([]float32, m.rows*m.half)
				run(plan(wt, workers), workers, Args{X: x, W: w, Y: got, Bias: bias})
				same(t, fmt.Sprint(what, m), got, want)
			}
		}
		for _, level := range isa.Available() {
			check(level.String(), func(w weights, workers int) *Plan {
				return planDot(rowSource{m.rows, m.depth}, w, workers, kernelFor(level))
			})
			for _, split := range []bool{false, true} {
				tl := tilesFor(level)
				check(tl.name+kindOf(split), func(w weights, workers int) *Plan {
					c := Conv{N: 1, H: m.rows, W: 1, C: m.depth, O: 2 * m.half, KH: 1, KW: 1, Stride: 1}
					return planTilesIn(0, forward(c), w, workers, tl, split)
				})
			}
		}
	}
}
