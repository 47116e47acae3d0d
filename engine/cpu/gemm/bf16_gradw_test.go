package gemm

import (
	"fmt"
	"testing"
)

// TestTurnTaps holds the bringing together of taps against its twin.
func TestTurnTaps(t *testing.T) {
	for _, taps := range []int{1, 4, 9, 16, 25} {
		for _, cols := range []int{16, 5} {
			sums := random(taps*side*side, 1)
			var all [2][]float32
			for i, turn := range []func(*turnArgs){bestTiles().turnTaps, turnTapsPortable} {
				all[i] = make([]float32, 16*(side*taps+8))
				turn(&turnArgs{
					dst: &all[i][3], ldd: (side*taps + 8) * 4, next: taps * 4, src: &sums[16], lds: side * side * 4,
					taps: taps, cols: cols, count: side - 1,
				})
			}
			same(t, fmt.Sprintf("%d taps, %d columns", taps, cols), all[0], all[1])
		}
	}
}

// TestGradCut: tasks cover all channels and positions, for any shape, and their memory
// is bounded.
func TestGradCut(t *testing.T) {
	for _, c := range append(banded, Conv{N: 8, H: 8, W: 8, C: 1280, O: 1280, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}) {
		p := forward(c)
		for parts := 1; parts <= 2; parts++ {
			cut := cutGradW(gradBytes, gradTasks, &p, c, parts)
			if cut.tall*cut.rowGroups < cut.rowTiles || cut.wide*cut.colGroups < cut.colTiles || cut.length*cut.splits < p.positions() {
				t.Errorf("%+v: %+v leaves something out", c, cut)
			}
			if cut.band%step != 0 || cut.chunk%step != 0 || cut.chunk > chunkSteps*step || cut.length%step != 0 {
				t.Errorf("%+v: %+v: pieces that are not whole steps", c, cut)
			}
			if bytes := cut.tall * cut.wide * cut.taps * side * side * 4; bytes > gradBytes {
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
			for i, panels := range []func(*panelPairs){bestTiles().panels, panelsPortable} {
				all[i] = make([]uint32, 2*4096)
				panels(&panelPairs{
					dst: &all[i][0], ldd: side * 4, panel: 300 * 4, even: &x[1], odd: &x[150], next: 200 * 4, n: n, count: 4, low: low,
				})
			}
			if fmt.Sprint(all[0]) != fmt.Sprint(all[1]) {
				t.Errorf("%d channels, low parts at %d: not the portable ones", n, low)
			}
		}
	}
}
