package gemm

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/indirect"
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// TestGEGLU: joined in the product, values and gates give the bits that they give
// when the product is made whole, for halves of any width.
func TestGEGLU(t *testing.T) {
	for _, m := range []struct{ rows, depth, half int }{{5, 36, 25}, {70, 200, 32}, {130, 260, 100}, {33, 130, 7}, {40, 4200, 9}} {
		x, w, bias := random(m.rows*m.depth, 1), random(2*m.half*m.depth, 2), random(2*m.half, 3)
		check := func(what string, plan func(w plans.Order, workers int) *plans.Plan) {
			wt := plans.Order{Cols: 2 * m.half, Depth: m.depth, Taps: 1, StrideCol: m.depth, StrideDepth: 1}
			whole, want := make([]float32, m.rows*2*m.half), make([]float32, m.rows*m.half)
			run(plan(wt, 1), 1, plans.Args{X: x, W: w, Y: whole, Bias: bias})
			for r := range m.rows {
				row := whole[r*2*m.half:][:2*m.half]
				vec.GEGLU(want[r*m.half:][:m.half], row[:m.half], row[m.half:])
			}
			wt.Gated = true
			for workers := 1; workers <= 2; workers++ {
				got := make([]float32, m.rows*m.half)
				run(plan(wt, workers), workers, plans.Args{X: x, W: w, Y: got, Bias: bias})
				same(t, fmt.Sprint(what, m), got, want)
			}
		}
		for _, level := range levels() {
			check(level.String(), func(w plans.Order, workers int) *plans.Plan {
				return indirect.PlanDot(plans.RowSource{Rows: m.rows, Depth: m.depth}, w, workers, kernels.For(level))
			})
			if !isa.Current().Has(level) { // tiles have a GEGLU of their own
				continue
			}
			for _, split := range []bool{false, true} {
				tl := kernels.TilesFor(level)
				check(tl.Name+tiled.KindOf(split), func(w plans.Order, workers int) *plans.Plan {
					c := plans.Conv{N: 1, H: m.rows, W: 1, C: m.depth, O: 2 * m.half, KH: 1, KW: 1, Stride: 1}
					return tiled.PlanIn(0, plans.Forward(c), w, workers, tl, split)
				})
			}
		}
	}
}

// TestGateTiles holds what tiles of values and gates store against the twin.
func TestGateTiles(t *testing.T) {
	const tiles, steps = 6, 3
	a, b := make([]uint16, kernels.Side*kernels.Step*(steps+tiles)), make([]uint32, 2*steps*16*kernels.Side)
	kernels.RowPortable(&a[0], &random(len(a), 1)[0], len(a))
	kernels.PairsPortable(&b[0], &random(len(b), 2)[0], &random(len(b), 3)[0], len(b))
	moves, shifts, bias := make([]int, tiles), make([]int, tiles), random(2*kernels.Side, 4)
	for i := range tiles {
		moves[i], shifts[i] = i/2*kernels.Step*2, i%2*steps*2048
	}
	for _, level := range levels() {
		if !isa.Current().Has(level) {
			break
		}
		tl := kernels.TilesFor(level)
		for half := range 2 {
			for _, mask := range []uint32{plans.LowMask(kernels.Side), plans.LowMask(19), plans.LowMask(5)} {
				acc, y := make([]float32, tiles*kernels.Side*kernels.Side), random(tiles/2*kernels.Side*kernels.Side, 5)
				want := slices.Clone(y)
				put := kernels.PutArgs{Acc: &acc[0], Count: tiles / 2 * kernels.Side, Bias: &bias[0], Mask: mask, Gated: 1, Half: half}
				rows := func(y []float32) *uintptr {
					at := make([]uintptr, put.Count+kernels.StoresAhead)
					for r := range put.Count - 1 {
						if r%5 > 0 {
							at[r] = kernels.AddressOf(y[r*kernels.Side:])
						}
					}
					return &at[0]
				}
				put.Rows = rows(y)
				tl.Tile(&kernels.TileArgs{
					A: uintptr(bytesOf(a)), Lda: kernels.Step * steps * 2, Offsets: new(int), Taps: 1, Steps: steps,
					B: uintptr(bytesOf(b)), Ldb: 128, Second: 64, Next: 2048, Acc: &acc[0],
					Moves: &moves[0], Shifts: &shifts[0], Count: tiles, Put: &put, Rate: 8 * kernels.StoresOf(2*steps),
				})
				put.Rows = rows(want)
				kernels.GatePortable(&put)
				same(t, fmt.Sprintf("%s %+v", tl.Name, put), y, want)
			}
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}
