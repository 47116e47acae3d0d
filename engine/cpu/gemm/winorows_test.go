package gemm

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/winorows"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// rowsTiles are the portable tiles and those of this machine that join sums.
func rowsTiles() []kernels.Tiles {
	all := []kernels.Tiles{kernels.PortableTiles}
	for _, level := range levels() {
		if level.Has(isa.AMX) {
			all = append(all, kernels.TilesFor(level))
		}
	}
	return all
}

// rowsConvs have blocks of several widths, blocks that end within a row, odd numbers of
// half tiles, pictures that are joined, channels that end within a step or a K block, and
// paddings that differ.
var rowsConvs = []plans.Conv{
	{N: 1, H: 8, W: 8, C: 32, O: 32, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 2, W: 16, C: 16, O: 5, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 6, W: 32, C: 48, O: 70, PadTop: 0, PadBottom: 2, PadLeft: 2, PadRight: 0},
	{N: 3, H: 8, W: 20, C: 208, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 6, W: 22, C: 112, O: 33, PadTop: 2, PadBottom: 2, PadLeft: 2, PadRight: 2},
	{N: 1, H: 4, W: 66, C: 64, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 0, PadRight: 0},
	{N: 11, H: 4, W: 4, C: 32, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 6, W: 8, C: 16, O: 32, PadTop: 0, PadBottom: 1, PadLeft: 2, PadRight: 0},
}

func rowsPlan(c plans.Conv, workers int, t kernels.Tiles) *plans.Plan {
	return winorows.Plan(c, c.Weights(), false, workers, t)
}

func rowsGradX(c plans.Conv, workers int, t kernels.Tiles) *plans.Plan {
	return winorows.Plan(c.Full(), c.WeightsBackward(), true, workers, t)
}

// eachRows runs a test for every shape and all tiles.
func eachRows(t *testing.T, test func(t *testing.T, c plans.Conv, tl kernels.Tiles)) {
	for _, c := range rowsConvs {
		c.KH, c.KW, c.Stride = 3, 3, 1
		for _, tl := range rowsTiles() {
			t.Run(fmt.Sprint(tl.Name, c), func(t *testing.T) { test(t, c, tl) })
		}
	}
}

// TestWinogradRows compares results and the gradient to the picture with plain sums.
func TestWinogradRows(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies many shapes")
	}
	eachRows(t, func(t *testing.T, c plans.Conv, tl kernels.Tiles) {
		if !winorows.Takes(c) {
			t.Fatal("cannot be computed so")
		}
		s := sumsOf(c)
		x, w, dy, bias, y, dx := s.x, s.w, s.dy, s.bias, s.y, s.gradX
		add := slices.Clone(s.add)
		got := make([]float32, len(y))
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: x, W: w, Y: got, Bias: bias, Add: add})
		if e := relErr(got, y); !(e < 1.2e-5) {
			t.Errorf("forward: error %g", e)
		}
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: x, W: w, Y: add, Bias: bias, Add: add})
		same(t, "added to what is overwritten", add, got)
		fresh := c
		fresh.Fresh = true
		again := make([]float32, len(y))
		copy(again, s.add)
		run(rowsPlan(fresh, 2, tl), 2, plans.Args{X: x, W: w, Y: again, Bias: bias, Add: again})
		same(t, "filters packed on the way", again, got)
		if back := c.Full(); winorows.Takes(back) {
			got, again := make([]float32, len(x)), make([]float32, len(x))
			run(rowsGradX(c, 2, tl), 2, plans.Args{X: dy, W: w, Y: got})
			if e := relErr(got, dx); !(e < 1.2e-5) {
				t.Errorf("gradient to x: error %g", e)
			}
			run(rowsGradX(fresh, 3, tl), 3, plans.Args{X: dy, W: w, Y: again})
			same(t, "turned filters packed on the way", again, got)
		}
	})
}

// TestWinogradRowsNormed: as when pictures are normalised before.
func TestWinogradRowsNormed(t *testing.T) {
	tl := kernels.TilesFor(isa.Current())
	if !isa.Current().Has(isa.AMX) {
		tl = kernels.PortableTiles
	}
	for i, c := range rowsConvs {
		c.KH, c.KW, c.Stride = 3, 3, 1
		oh, ow := c.OutSize()
		x, w := random(c.N*c.H*c.W*c.C, 1), random(c.O*c.C*9, 2)
		norm := plans.Norm{Coef: random(2*c.N*c.C, 3), Beta: random(c.C, 4), Rows: c.H * c.W, SiLU: i%2 == 0}
		want, got := make([]float32, c.N*oh*ow*c.O), make([]float32, c.N*oh*ow*c.O)
		run(rowsPlan(c, 1, tl), 1, plans.Args{X: normalised(c, x, norm), W: w, Y: want})
		c.Normed = true
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: x, W: w, Y: got, Norm: norm})
		same(t, fmt.Sprint(c), got, want)
	}
}

// TestWinogradRowsUp: a picture is read from the small one as from the enlarged one.
func TestWinogradRowsUp(t *testing.T) {
	eachRows(t, func(t *testing.T, c plans.Conv, tl kernels.Tiles) {
		oh, ow := c.OutSize()
		w, small := random(9*c.C*c.O, 1), random(c.N*c.H*c.W*c.C/4, 2)
		large := make([]float32, c.N*c.H*c.W*c.C)
		for i := range c.N * c.H * c.W {
			row, x := i/c.W, i%c.W
			copy(large[i*c.C:][:c.C], small[(row/2*(c.W/2)+x/2)*c.C:])
		}
		want, got := make([]float32, c.N*oh*ow*c.O), make([]float32, c.N*oh*ow*c.O)
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: large, W: w, Y: want})
		c.Up = 2
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: small, W: w, Y: got})
		same(t, "enlarged", got, want)
	})
}

// TestWinogradRowsSameBits: a picture's results depend neither on its batch nor on the
// number of workers.
func TestWinogradRowsSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies many shapes")
	}
	eachRows(t, func(t *testing.T, c plans.Conv, tl kernels.Tiles) {
		one, many := c, c
		one.N, many.N = 1, 4
		oh, ow := c.OutSize()
		x, w := random(many.N*c.H*c.W*c.C, 1), random(9*c.C*c.O, 2)
		alone, all := make([]float32, oh*ow*c.O), make([]float32, many.N*oh*ow*c.O)
		at := many.N - 1
		run(rowsPlan(one, 1, tl), 1, plans.Args{X: x[at*c.H*c.W*c.C:], W: w, Y: alone})
		for workers := 1; workers <= 3; workers++ {
			clear(all)
			run(rowsPlan(many, workers, tl), workers, plans.Args{X: x, W: w, Y: all})
			same(t, fmt.Sprint("workers ", workers), all[at*len(alone):], alone)
		}
	})
}

// TestWinogradRowsFreshBatch: nor do those of filters that are packed on the way for few
// pictures, and before for many.
func TestWinogradRowsFreshBatch(t *testing.T) {
	c, all := square(1, 4, 384, 32), rowsTiles()
	c.Fresh = true
	tl := all[len(all)-1]
	x, w, alone := random(64*16*c.C, 1), random(9*c.C*c.O, 2), make([]float32, 16*c.O)
	for n, fresh := range map[int]bool{1: true, 32: true, 64: false} {
		c.N = n
		if got := rowsPlan(c, 2, tl).PackedLen == 0; got != fresh {
			t.Errorf("%d pictures: packed on the way: %v", n, got)
		}
	}
	c.N = 1
	run(rowsPlan(c, 1, tl), 1, plans.Args{X: x, W: w, Y: alone})
	for _, n := range []int{32, 64} {
		c.N = n
		y := make([]float32, n*16*c.O)
		run(rowsPlan(c, 2, tl), 2, plans.Args{X: x, W: w, Y: y})
		same(t, fmt.Sprint(n, " pictures"), y[:len(alone)], alone)
	}
}

// TestWinogradRowsMemory: the memory for a picture does not grow with it, and running
// allocates none.
func TestWinogradRowsMemory(t *testing.T) {
	for _, side := range []int{64, 512, 2048} {
		c := square(1, side, 256, 128)
		if p := rowsPlan(c, 2, kernels.PortableTiles); p.ScratchLen*4 > 2<<20 {
			t.Errorf("%d pixels: %d bytes", side, p.ScratchLen*4)
		}
	}
	c := square(1, 8, 32, 32)
	tl := rowsTiles()
	p := rowsPlan(c, 1, tl[len(tl)-1])
	pool := par.NewPool(1)
	defer pool.Close()
	phases := p.Bind(plans.Args{X: random(8*8*32, 1), W: random(p.PackedLen, 2), Y: make([]float32, 8*8*32), Scratch: make([]float32, p.ScratchLen)})
	if n := testing.AllocsPerRun(3, func() { pool.Run(phases) }); n != 0 && len(tl) > 1 {
		t.Errorf("%g allocations", n)
	}
}

// TestWinogradRowsChoice: pictures that are large, or many, and channels enough.
func TestWinogradRowsChoice(t *testing.T) {
	training := square(1, 8, 192, 384)
	training.Training = true
	strided := square(1, 65, 320, 320)
	strided.Stride = 2
	for _, s := range []struct {
		conv plans.Conv
		want bool
	}{
		{square(1, 64, 320, 320), true}, {square(1, 24, 640, 640), true}, {training, true},
		{square(1, 16, 2560, 1280), true}, {square(1, 16, 2560, 2560), false}, // filters are read for few results
		{square(1, 64, 320, 4), false}, {square(1, 256, 64, 64), false},
		{square(1, 1022, 128, 128), false}, // blocks of 73 pairs
		{square(1, 63, 320, 320), false}, {strided, false},
	} {
		for _, n := range []int{1, 32} { // never by the batch
			s.conv.N = n
			if got := winorows.Pays(s.conv); got != s.want {
				t.Errorf("%+v: chosen: %v", s.conv, got)
			}
		}
		_, split := plans.UseTiles(plans.F32, isa.Current())
		for prec, may := range map[plans.Precision]bool{plans.F32: split, plans.BF16: false, plans.Exact: false} {
			rows := fmt.Sprintf("%s split f32 tiles Winograd F(2,3)", kernels.TilesFor(isa.Current()).Name)
			got := PlanConv(s.conv, prec, 1).Algorithm == rows
			if got != (may && s.want) || s.conv.Stride == 1 && got != (PlanConvGradX(s.conv, prec, 1).Algorithm == rows) {
				t.Errorf("precision %v, %+v: %v", prec, s.conv, got)
			}
		}
	}
}

// TestWinogradRowsKernels holds the transforms against their twins.
func TestWinogradRowsKernels(t *testing.T) {
	tl := kernels.TilesFor(isa.Current())
	x := random(10*70, 1)
	a, b := make([]uint16, 8192), make([]uint16, 8192)
	in := kernels.SplitRowArgs{Src: &x[0], Pixel: 70 * 4, Dst: bytesOf(a), Next: 320, Xi: 1320, Low: 160, Channels: 64, Count: 4}
	tl.SplitRow(&in)
	in.Dst = bytesOf(b)
	kernels.SplitRowPortable(&in)
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("elements of pixels differ from the portable ones")
	}
	g := random(6*9*kernels.Side, 2)
	for tap, first := range map[int]int{kernels.Side * 4: 3, -kernels.Side * 4: 5} {
		f := kernels.FilterPairsArgs{Src: &g[first*kernels.Side], Tap: tap, Dst: bytesOf(a), Xi: 1920, Low: 640, Count: 3}
		tl.Filters(&f)
		f.Dst = bytesOf(b)
		kernels.FilterPairsPortable(&f)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("elements of filters differ from the portable ones, taps %d apart", tap)
		}
	}
}

// TestWideRows holds the kernel against its twin.
func TestWideRows(t *testing.T) {
	const n, count, lds = 48, 3, 70
	x, coef := random(count*lds, 1), random(3*lds, 2)
	for i, mean := range []*float32{nil, &coef[0], &coef[0]} {
		got, want := make([]float32, count*lds), make([]float32, count*lds)
		args := kernels.RowsArgs{Dst: bytesOf(got), Ldd: lds * 4, Src: &x[0], Lds: lds * 4, N: n, Count: count}
		if mean != nil {
			args.Mean, args.A, args.Beta, args.Silu = mean, &coef[lds], &coef[2*lds], i-1
		}
		kernels.TilesFor(isa.Current()).WideRows(&args)
		args.Dst = bytesOf(want)
		kernels.WideRowsPortable(&args)
		same(t, fmt.Sprint("case ", i), got, want)
	}
}

// TestTilesInFours holds the products whose sums are joined against the twin: pairs of
// results, of which some are dropped.
func TestTilesInFours(t *testing.T) {
	const lda, blocks = 160, 3
	a, b := make([]uint16, 4*kernels.Side*lda), make([]uint32, 9*16*kernels.Side)
	kernels.RowPortable(&a[0], &random(len(a), 1)[0], len(a))
	kernels.PairsPortable(&b[0], &random(len(b), 2)[0], &random(len(b), 3)[0], len(b))
	offsets, moves, gaps, shifts := []int{64, 0}, make([]int, 4*blocks), make([]int, 4*blocks), make([]int, 4*blocks)
	for i := range moves {
		moves[i], gaps[i], shifts[i] = i*5*lda*2, (16+i%3)*lda*2, i%4*2048
	}
	bias := random(kernels.Side, 4)
	for _, add := range []int{0, 1} {
		var all [2][]float32
		for i, tl := range []kernels.Tiles{rowsTiles()[len(rowsTiles())-1], kernels.PortableTiles} {
			acc, y := make([]float32, 4*blocks*kernels.Side*kernels.Side), random((2*blocks*kernels.Side+1)*kernels.Side, 5)
			rows := make([]uintptr, 2*(blocks*kernels.Side+kernels.StoresAhead))
			for r := range 2 * blocks * kernels.Side {
				if r%5 > 0 {
					rows[r] = kernels.AddressOf(y[r*kernels.Side:])
				}
			}
			put := kernels.PutArgs{Acc: &acc[0], Rows: &rows[0], Count: blocks * kernels.Side, Add: add, Delta: kernels.Side * 4, Bias: &bias[0], Mask: plans.LowMask(25)}
			tl.Tile(&kernels.TileArgs{
				A: uintptr(bytesOf(a)), Lda: lda * 2, Offsets: &offsets[0], Taps: 2, Steps: 1,
				B: uintptr(bytesOf(b)), Ldb: 128, Second: 64, Next: 2048, Acc: &acc[0], Moves: &moves[0], Gaps: &gaps[0], Shifts: &shifts[0],
				Count: 4 * blocks, Fours: 2, LowA: 192, LowB: 2048, Put: &put, Rate: 16 * kernels.StoresOf(8),
			})
			all[i] = y
		}
		want := make([]float64, len(all[1]))
		for i, v := range all[1] {
			want[i] = float64(v)
		}
		if e := relErr(all[0], want); !(e < 1e-5) {
			t.Errorf("add %d: error %g", add, e)
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}
