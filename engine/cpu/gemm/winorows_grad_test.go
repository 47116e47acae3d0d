package gemm

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/winorows"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// rowsGradConvs have steps of several pictures, of one row and of a part of a row,
// pictures that do not fill a step, channels that end within a tile, and K blocks of
// different lengths.
var rowsGradConvs = []plans.Conv{
	{N: 5, H: 4, W: 4, C: 32, O: 48},
	{N: 3, H: 13, W: 8, C: 80, O: 32},
	{N: 2, H: 5, W: 16, C: 16, O: 112},
	{N: 1, H: 2, W: 64, C: 48, O: 16},
	{N: 2, H: 3, W: 128, C: 32, O: 32},
	{N: 1, H: 6, W: 192, C: 16, O: 32},
}

// TestWinogradRowsGrad compares gradients with plain sums, and any number of workers
// with one.
func TestWinogradRowsGrad(t *testing.T) {
	for _, c := range rowsGradConvs {
		c.KH, c.KW, c.Stride, c.PadTop, c.PadBottom, c.PadLeft, c.PadRight = 3, 3, 1, 1, 1, 1, 1
		if !winorows.TakesGrad(c) {
			t.Fatalf("%+v: cannot be computed so", c)
		}
		x, dy := random(c.N*c.H*c.W*c.C, 1), random(c.N*c.H*c.W*c.O, 2)
		want := make([]float64, c.O*c.C*9)
		naiveConv(c, x, make([]float32, len(want)), func(yi, xi, wi int) { want[wi] += float64(dy[yi]) * float64(x[xi]) })
		for _, tl := range rowsTiles() {
			var first []float32
			for workers := 1; workers <= 3; workers++ {
				got := make([]float32, len(want))
				run(winorows.PlanGrad(c, workers, tl), workers, plans.Args{X: x, W: dy, Y: got})
				if first == nil {
					first = got
				}
				same(t, fmt.Sprintf("%s %+v on %d workers", tl.Name, c, workers), got, first)
			}
			if e := relErr(first, want); !(e < 1.2e-5) {
				t.Errorf("%s %+v: error %g", tl.Name, c, e)
			}
		}
	}
}

// TestRowsGradCut: tasks cover all channels, K blocks all rows of all pictures once, and
// their memory is bounded.
func TestRowsGradCut(t *testing.T) {
	for _, c := range append(rowsGradConvs, square(8, 8, 1280, 1280), square(2, 64, 320, 640), square(1, 512, 128, 128)) {
		p := winorows.Grad{RowsGradCut: winorows.CutRowsGrad(c), Conv: c}
		if p.Tall*p.RowBlocks < p.RowTiles || p.Wide*p.ColBlocks < p.ColTiles {
			t.Errorf("%+v: %+v leaves something out", c, p.RowsGradCut)
		}
		seen := make([]int, c.N*c.H*c.W)
		for i := range p.KBlocks * p.Together * p.BlockSteps {
			if at := p.RowAt(i/(p.Together*p.BlockSteps), i/p.BlockSteps%p.Together, i%p.BlockSteps); at >= 0 {
				for x := range 2 * p.Across {
					seen[at+x]++
				}
			}
		}
		if slices.Min(seen) != 1 || slices.Max(seen) != 1 {
			t.Errorf("%+v: %+v: pixels are seen %d to %d times", c, p.RowsGradCut, slices.Min(seen), slices.Max(seen))
		}
		if bytes := p.Tall * p.Wide * 12 * kernels.Side * kernels.Side * 4; bytes > winorows.RowsGradSums {
			t.Errorf("%+v: sums of %d bytes", c, bytes)
		}
	}
}

// TestRowsGradChoice: pictures whose rows fill steps, and channels enough.
func TestRowsGradChoice(t *testing.T) {
	few := square(8, 16, 96, 4)
	strided := square(8, 16, 96, 96)
	strided.Stride = 2
	for conv, want := range map[plans.Conv]bool{
		square(8, 16, 96, 96): true, square(1, 256, 128, 64): true, square(1, 24, 96, 96): false, square(1, 2, 96, 96): false,
		square(1, 16, 100, 96): false, few: false, strided: false,
	} {
		_, split := plans.UseTiles(plans.F32, isa.Current())
		for prec, may := range map[plans.Precision]bool{plans.F32: split, plans.BF16: false, plans.Exact: false} {
			name := kernels.TilesFor(isa.Current()).Name + " split f32 tiles Winograd F(2,3) gradient"
			if got := PlanConvGradW(conv, prec, 1).Algorithm == name; got != (may && want) {
				t.Errorf("precision %v, %+v: %v", prec, conv, got)
			}
		}
	}
}

// TestRowsGradKernels holds the transforms against their twins.
func TestRowsGradKernels(t *testing.T) {
	tl := kernels.TilesFor(isa.Current())
	x := random(14*70, 1)
	for i, f := range [][2]func(*kernels.PixelPairsArgs){{tl.PixelPairs, kernels.PixelPairsPortable}, {tl.GradPairs, kernels.GradPairsPortable}} {
		var all [2][]uint32
		for j, pairs := range f {
			all[j] = make([]uint32, 4096)
			pairs(&kernels.PixelPairsArgs{
				Before: &x[0], Src: &x[70], Behind: &x[13*70+4], Pixel: 70 * 4, Dst: bytesOf(all[j]),
				Next: 64, Xi: 600 * 4, Low: 300 * 4, Block: 100 * 4, Blocks: 3, Count: 3,
			})
		}
		if fmt.Sprint(all[0]) != fmt.Sprint(all[1]) {
			t.Errorf("case %d: elements differ from the portable ones", i)
		}
	}
	sums := random(4*4*kernels.Side*kernels.Side, 2)
	var all [2][]float32
	for i, turn := range []func(*kernels.TurnArgs){tl.TurnFilters, kernels.TurnFiltersPortable} {
		all[i] = make([]float32, kernels.Side*16*9+100)
		turn(&kernels.TurnArgs{Dst: &all[i][3], Ldd: 36, Next: 16 * 36, Src: &sums[16], Lds: 4 * kernels.Side * kernels.Side * 4, Taps: 9, Cols: 16, Count: kernels.Side - 1})
	}
	same(t, "filters", all[0], all[1])
}

// TestRowsGradAllocates nothing while it runs.
func TestRowsGradAllocates(t *testing.T) {
	c, tl := square(4, 8, 64, 64), rowsTiles()
	p := winorows.PlanGrad(c, 1, tl[len(tl)-1])
	pool := par.NewPool(1)
	defer pool.Close()
	phases := p.Bind(plans.Args{X: random(4*64*64, 1), W: random(4*64*64, 2), Y: make([]float32, 9*64*64), Scratch: make([]float32, p.ScratchLen)})
	if n := testing.AllocsPerRun(3, func() { pool.Run(phases) }); n != 0 && len(tl) > 1 {
		t.Errorf("%g allocations", n)
	}
}
