package gemm

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// bestTiles are the tiles of this machine, or the portable ones.
func bestTiles() kernels.Tiles {
	all := isa.Available()
	return kernels.TilesFor(all[len(all)-1])
}

// blocked are convolutions of several of the smallest blocks, which begin anywhere
// in a row; the paddings differ from side to side.
var blocked = []plans.Conv{
	{N: 3, H: 20, W: 26, C: 20, O: 19, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 23, W: 31, C: 40, O: 37, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 29, W: 33, C: 32, O: 70, KH: 3, KW: 3, Stride: 1, PadTop: 0, PadBottom: 2, PadLeft: 2, PadRight: 0},
	{N: 3, H: 47, W: 51, C: 33, O: 20, KH: 3, KW: 3, Stride: 2, PadTop: 0, PadBottom: 1, PadLeft: 0, PadRight: 1},
	{N: 3, H: 60, W: 64, C: 5, O: 8, KH: 2, KW: 2, Stride: 3, PadTop: 1, PadBottom: 0, PadLeft: 0, PadRight: 1},
	{N: 3, H: 21, W: 30, C: 96, O: 33, KH: 1, KW: 1, Stride: 1},
	{N: 3, H: 19, W: 37, C: 7, O: 9, KH: 5, KW: 5, Stride: 1, PadTop: 2, PadBottom: 2, PadLeft: 2, PadRight: 2},
	{N: 3, H: 9, W: 250, C: 32, O: 32, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 25, W: 48, C: 40, O: 37, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 41, W: 16, C: 35, O: 33, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 90, W: 64, C: 20, O: 19, KH: 3, KW: 3, Stride: 2, PadTop: 0, PadBottom: 1, PadLeft: 0, PadRight: 1},
	{N: 3, H: 12, W: 20, C: 704, O: 33, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
}

// TestBlocks: bits depend neither on blocks, nor on workers, nor on what else is in
// the batch; and split products are float32 but for 1e-5 of the largest.
func TestBlocks(t *testing.T) {
	for i, c := range blocked {
		if testing.Short() && i != 4 {
			continue
		}
		tl := bestTiles()
		if i == 0 { // the others take their time
			tl = kernels.PortableTiles
		}
		for _, split := range []bool{false, true} {
			what := fmt.Sprintf("split %v %+v", split, c)
			s := sumsOf(c)
			x, w, dy := s.x, s.w, s.dy
			one := c
			one.N = 1
			check := func(what string, blocks int, plan func(c plans.Conv, bytes, workers int) *plans.Plan, x []float32, n int) []float32 {
				y, alone := make([]float32, n), make([]float32, n/3)
				args := plans.Args{X: x, W: w, Y: y}
				run(plan(c, 1<<40, 1), 1, args)
				for workers := 1; workers <= 3; workers++ {
					p := plan(c, 0, workers)
					args.Y = make([]float32, n)
					if got := len(p.Bind(plans.Args{X: x, W: make([]float32, p.PackedLen), Y: args.Y, Scratch: make([]float32, p.ScratchLen)})); got < blocks {
						t.Errorf("%s: %d phases", what, got)
					}
					run(p, workers, args)
					same(t, what, args.Y, y)
					args.Y = make([]float32, n)
					run(plan(c, 1<<40, workers), workers, args)
					same(t, what+" in own blocks", args.Y, y)
				}
				run(plan(one, 0, 2), 2, plans.Args{X: x[len(x)/3*2:], W: w, Y: alone})
				same(t, what+" alone", alone, y[n/3*2:])
				return y
			}
			y := check("forward "+what, 4, func(c plans.Conv, bytes, workers int) *plans.Plan {
				return tiled.PlanIn(bytes, plans.Forward(c), c.Weights(), workers, tl, split)
			}, x, len(dy))
			dx := check("gradient to x "+what, 4, func(c plans.Conv, bytes, workers int) *plans.Plan {
				return tiled.PlanIn(bytes, plans.Backward(c), c.WeightsBackward(), workers, tl, split)
			}, dy, len(x))
			var dw []float32
			for workers := 1; workers <= 3; workers++ {
				got := make([]float32, len(w))
				run(tiled.PlanGradIn(0, c, plans.Layout{Row: c.KH * c.KW, Col: c.C * c.KH * c.KW, Tap: 1}, workers, tl, split), workers, plans.Args{X: x, W: dy, Y: got})
				if dw == nil {
					dw = got
				}
				same(t, "gradient to w "+what, got, dw)
			}
			if split {
				plain := make([]float64, len(y)) // without the bias and what is added
				for i := range plain {
					plain[i] = s.y[i] - float64(s.bias[i%c.O]) - float64(s.add[i])
				}
				for what, e := range map[string]float64{"forward": relErr(y, plain), "gradient to x": relErr(dx, s.gradX), "gradient to w": relErr(dw, s.gradW)} {
					if !(e < 1e-5) {
						t.Errorf("%s %+v: error %g", what, c, e)
					}
				}
			}
		}
	}
}

// TestBandMemory: the memory for a picture does not grow with it.
func TestBandMemory(t *testing.T) {
	for _, split := range []bool{false, true} {
		c := plans.Conv{N: 1, H: 2048, W: 512, C: 256, O: 128, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
		p := tiled.Plan(plans.Forward(c), c.Weights(), 2, kernels.PortableTiles, split)
		w := tiled.PlanGrad(c, plans.Layout{Row: 9, Col: 9 * c.C, Tap: 1}, 2, kernels.PortableTiles, split)
		if p.ScratchLen*4 > 7<<20 || w.ScratchLen*4 > 14<<20 {
			t.Errorf("split %v: %d bytes forward, %d for the gradient to the weights", split, p.ScratchLen*4, w.ScratchLen*4)
		}
	}
}

// TestManyTiles holds calls for several tiles, with offsets of their own, against
// the twin and against calls for one tile; and what they store against put.
func TestManyTiles(t *testing.T) {
	const lda, taps, steps = 160, 3, 2
	a, b := make([]uint16, 4*kernels.Side*lda), make([]uint32, (taps+2)*steps*16*kernels.Side+3*kernels.Side)
	kernels.RowPortable(&a[0], &random(len(a), 1)[0], len(a))
	kernels.PairsPortable(&b[0], &random(len(b), 2)[0], &random(len(b), 3)[0], len(b))
	offsets, offsetsB, moves := []int{64, 0, 3 * lda * 2}, []int{2048 * steps, 0, 3 * 2048 * steps}, []int{lda * 2, 40 * lda * 2, 7 * lda * 2}
	shifts := []int{0, 128, 3 * 128}
	args := func(acc []float32, resume int, gaps *int) *kernels.TileArgs {
		return &kernels.TileArgs{
			A: uintptr(bytesOf(a)), Lda: lda * 2, Offsets: &offsets[0], Taps: taps, Steps: steps, Resume: resume, Gaps: gaps,
			B: uintptr(bytesOf(b)), Ldb: 128, Second: 64, Next: 2048, Acc: &acc[0], Moves: &moves[0], Count: len(moves), OffsetsB: &offsetsB[0], Shifts: &shifts[0],
		}
	}
	for i, gaps := range []*int{nil, &[]int{16 * lda * 2, 40 * lda * 2, 3 * lda * 2}[0]} {
		args := func(acc []float32, resume int, gaps *int) *kernels.TileArgs {
			t := args(acc, resume, gaps)
			t.LowA, t.LowB = i*192, i*2048
			return t
		}
		start := random(len(moves)*kernels.Side*kernels.Side, 4)
		got, twin, single := slices.Clone(start), slices.Clone(start), slices.Clone(start)
		g, tw := args(got, i, gaps), args(twin, i, gaps)
		y := random(len(moves)*kernels.Side*kernels.Side, 8)
		stored := slices.Clone(y)
		put := putOf(got, y, 16*i)
		g.Streaming = i
		g.Fetch, g.FetchEnd, g.Put, g.Rate = g.B, g.B+4096, &put, 8*kernels.StoresOf(taps*steps)
		bestTiles().Tile(g)
		kernels.TilePortable(tw)
		for k, move := range moves {
			s := args(single[k*kernels.Side*kernels.Side:], i, nil)
			s.A, s.B, s.Shifts = s.A+uintptr(move), s.B+uintptr(shifts[k]), nil
			if s.Count, s.Moves = 0, nil; gaps != nil {
				s.Count, s.Moves, s.Gaps = 1, new(int), &unsafe.Slice(gaps, 3)[k]
			}
			bestTiles().Tile(s)
		}
		same(t, "one tile", single, got)
		put = putOf(got, stored, 16*i)
		kernels.PutPortable(&put)
		same(t, "stored", y, stored)
		want := make([]float64, len(twin))
		for i, v := range twin {
			want[i] = float64(v)
		}
		if e := relErr(got, want); !(e < 1e-5) {
			t.Errorf("gaps %d: error %g", i, e)
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// TestRounding holds the conversions against their twins, denormal numbers,
// infinities and NaN among them.
func TestRounding(t *testing.T) {
	const n, lds = 75, 80
	x := random(8*lds, 1)
	for i, v := range []float32{0, float32(math.Copysign(0, -1)), 1e-40, -1e-40, 1.1754944e-38, math.MaxFloat32, float32(math.Inf(-1)), float32(math.NaN()), math.Float32frombits(0x7f800001), math.Float32frombits(0x3f808000), math.Float32frombits(0x3f818000)} {
		x[i*7] = v
	}
	tl := bestTiles()
	for _, low := range []int{0, 512} {
		a, b := make([]uint32, 2048), make([]uint32, 2048)
		for _, f := range []struct {
			got, want func(*kernels.RowsArgs)
			skip      int
		}{{tl.Rows, kernels.RowsPortable, 0}, {tl.RowPairs, kernels.RowPairsPortable, 0}, {tl.RowPairs, kernels.RowPairsPortable, 64}} {
			args := kernels.RowsArgs{Dst: bytesOf(a), Ldd: 640, Src: &x[0], Lds: lds * 4, N: n, Count: 3, Low: 5 * low, Skip: f.skip}
			f.got(&args)
			args.Dst = bytesOf(b)
			f.want(&args)
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("low %d: rows differ from the portable ones", low)
			}
		}
	}
	a, b := make([]uint16, n), make([]uint16, n)
	pa, pb := make([]uint32, n), make([]uint32, n)
	tl.RowLow(&a[0], &x[0], n)
	kernels.RowLowPortable(&b[0], &x[0], n)
	tl.PairsLow(&pa[0], &x[0], &x[lds], n)
	kernels.PairsLowPortable(&pb[0], &x[0], &x[lds], n)
	if fmt.Sprint(a, pa) != fmt.Sprint(b, pb) {
		t.Error("low parts differ from the portable ones")
	}
}

func bytesOf[T any](x []T) unsafe.Pointer { return unsafe.Pointer(&x[0]) }

// putOf stores sums in the first columns of y, for two of three rows, and adds what lies
// a row behind.
func putOf(acc, y []float32, narrow int) kernels.PutArgs {
	bias := random(kernels.Side, 3)
	rows := make([]uintptr, len(acc)/kernels.Side+kernels.StoresAhead)
	for r := range len(acc)/kernels.Side - 1 {
		if r%3 > 0 {
			rows[r] = kernels.AddressOf(y[r*kernels.Side:])
		}
	}
	return kernels.PutArgs{Acc: &acc[0], Rows: &rows[0], Count: len(acc) / kernels.Side, Delta: kernels.Side * 4, Add: 1, Bias: &bias[0], Mask: plans.LowMask(kernels.Side - narrow)}
}

// TestPut holds the storing of results, beside products of nothing, against its twin.
func TestPut(t *testing.T) {
	a, b, offset := make([]uint16, kernels.Side*kernels.Step), make([]uint32, kernels.Side*kernels.Step/2), 0
	bias, raw := random(kernels.Side, 2), make([]float32, 8*kernels.Side)
	for _, level := range levels() {
		if !level.BF16() {
			continue
		}
		for _, p := range []kernels.PutArgs{{Mask: plans.LowMask(7)}, {Mask: plans.LowMask(20), Add: 1, Delta: 4 * kernels.Side * 4}, {Mask: plans.LowMask(kernels.Side)}, {Mask: plans.LowMask(kernels.Side), Add: 1, Delta: 4 * kernels.Side * 4}} {
			var all [2][]float32
			for i, tile := range []func(*kernels.TileArgs){kernels.TilesFor(level).Tile, kernels.TilePortable} {
				acc := random(kernels.Side*kernels.Side, 1)
				copy(raw, random(len(raw), 3))
				rows := make([]uintptr, kernels.Side+kernels.StoresAhead)
				rows[0], rows[2] = kernels.AddressOf(raw[2*kernels.Side:]), kernels.AddressOf(raw[3*kernels.Side:])
				p.Acc, p.Bias, p.Rows, p.Count = &acc[0], &bias[0], &rows[0], 3
				tile(&kernels.TileArgs{
					A: uintptr(bytesOf(a)), Lda: 64, Offsets: &offset, Taps: 1, Steps: 1, B: uintptr(bytesOf(b)), Ldb: 128, Second: 64,
					Acc: &acc[0], Resume: 1, Moves: new(int), Count: 1, Put: &p, Rate: 8 * kernels.StoresOf(1),
				})
				all[i] = append(all[i], raw...)
			}
			same(t, fmt.Sprintf("%s %+v", kernels.TilesFor(level).Name, p), all[0], all[1])
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}
