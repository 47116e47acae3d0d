package gemm

import (
	"fmt"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
)

// TestTurnTaps holds the bringing together of taps against its twin.
func TestTurnTaps(t *testing.T) {
	for _, taps := range []int{1, 4, 9, 16, 25} {
		for _, cols := range []int{16, 5} {
			sums := random(taps*kernels.Side*kernels.Side, 1)
			var all [2][]float32
			for i, turn := range []func(*kernels.TurnArgs){bestTiles().TurnTaps, kernels.TurnTapsPortable} {
				all[i] = make([]float32, 16*(kernels.Side*taps+8))
				turn(&kernels.TurnArgs{
					Dst: &all[i][3], Ldd: (kernels.Side*taps + 8) * 4, Next: taps * 4, Src: &sums[16], Lds: kernels.Side * kernels.Side * 4,
					Taps: taps, Cols: cols, Count: kernels.Side - 1,
				})
			}
			same(t, fmt.Sprintf("%d taps, %d columns", taps, cols), all[0], all[1])
		}
	}
}

// TestGradCut: tasks cover all channels and positions, for any shape, and their memory
// is bounded.
func TestGradCut(t *testing.T) {
	for _, c := range append(blocked, plans.Conv{N: 8, H: 8, W: 8, C: 1280, O: 1280, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}) {
		p := plans.Forward(c)
		for parts := 1; parts <= 2; parts++ {
			cut := tiled.CutGradW(tiled.GradBytes, tiled.GradTasks, &p, c, parts)
			if cut.Tall*cut.RowBlocks < cut.RowTiles || cut.Wide*cut.ColBlocks < cut.ColTiles || cut.Length*cut.Splits < p.Positions() {
				t.Errorf("%+v: %+v leaves something out", c, cut)
			}
			if cut.KBlock%kernels.Step != 0 || cut.InnerK%kernels.Step != 0 || cut.InnerK > tiled.KBlockSteps*kernels.Step || cut.Length%kernels.Step != 0 {
				t.Errorf("%+v: %+v: blocks that are not whole steps", c, cut)
			}
			if bytes := cut.Tall * cut.Wide * cut.Taps * kernels.Side * kernels.Side * 4; bytes > tiled.GradBytes {
				t.Errorf("%+v: sums of %d bytes", c, bytes)
			}
		}
	}
}

// TestPanels holds the pairing of pixels, in panels, against its twin.
func TestPanels(t *testing.T) {
	x := random(1000, 1)
	for _, n := range []int{32, 75, 16, 96} {
		for _, low := range []int{0, 4096 * 4} {
			var all [2][]uint32
			for i, panels := range []func(*kernels.PanelPairs){bestTiles().Panels, kernels.PanelsPortable} {
				all[i] = make([]uint32, 2*4096)
				panels(&kernels.PanelPairs{
					Dst: &all[i][0], Ldd: kernels.Side * 4, Panel: 300 * 4, Even: &x[1], Odd: &x[150], Next: 200 * 4, N: n, Count: 4, Low: low,
				})
			}
			if fmt.Sprint(all[0]) != fmt.Sprint(all[1]) {
				t.Errorf("%d channels, low parts at %d: not the portable ones", n, low)
			}
		}
	}
}
