package gemm

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// TestGEGLU: joined in the product, values and gates give the bits that they give
// when the product is made whole, for halves of any width.
func TestGEGLU(t *testing.T) {
	for _, m := range []struct{ rows, depth, half int }{{5, 36, 25}, {70, 200, 32}, {130, 260, 100}, {33, 130, 7}, {40, 4200, 9}} {
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
			if level > isa.Current() { // tiles have a GEGLU of their own
				continue
			}
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

// TestGateTiles holds what tiles of values and gates store against the twin.
func TestGateTiles(t *testing.T) {
	const tiles, steps = 6, 3
	a, b := make([]uint16, side*step*(steps+tiles)), make([]uint32, 2*steps*16*side)
	rowPortable(&a[0], &random(len(a), 1)[0], len(a))
	pairsPortable(&b[0], &random(len(b), 2)[0], &random(len(b), 3)[0], len(b))
	moves, shifts, bias := make([]int, tiles), make([]int, tiles), random(2*side, 4)
	for i := range tiles {
		moves[i], shifts[i] = i/2*step*2, i%2*steps*2048
	}
	for _, level := range isa.Available()[:isa.Current()+1] {
		tl := tilesFor(level)
		for half := range 2 {
			for _, mask := range []uint32{lowMask(side), lowMask(19), lowMask(5)} {
				acc, y := make([]float32, tiles*side*side), random(tiles/2*side*side, 5)
				want := slices.Clone(y)
				put := putArgs{acc: &acc[0], count: tiles / 2 * side, bias: &bias[0], mask: mask, gated: 1, half: half}
				rows := func(y []float32) *uintptr {
					at := make([]uintptr, put.count+storesAhead)
					for r := range put.count - 1 {
						if r%5 > 0 {
							at[r] = addressOf(y[r*side:])
						}
					}
					return &at[0]
				}
				put.rows = rows(y)
				tl.tile(&tileArgs{
					a: uintptr(bytesOf(a)), lda: step * steps * 2, offsets: new(int), taps: 1, steps: steps,
					b: uintptr(bytesOf(b)), ldb: 128, second: 64, next: 2048, acc: &acc[0],
					moves: &moves[0], shifts: &shifts[0], count: tiles, put: &put, rate: 8 * storesOf(2*steps),
				})
				put.rows = rows(want)
				gatePortable(&put)
				same(t, fmt.Sprintf("%s %+v", tl.name, put), y, want)
			}
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}
