package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// winogradRowsGrad is the gradient to the weights of a 3x3 convolution, the adjoint of
// F(2,3) along rows (see winogradRows) in its filters: with d four neighbouring pixels of
// a row of x, and e the two of dy whose results they make, the gradient to a row of a
// filter is
//
//	dg = Gᵀ Σ (Bᵀ d) ∘ (A e),
//
// a split product of tiles for each of the elements ξ and each row of the filter: rows
// are channels of dy, columns channels of x, and k runs over pairs of pixels. That is 12
// products of half as many positions in place of 9 of all. The last element of A e is
// taken for e1, not -e1, and its sum subtracted. Results differ from exact ones by up to
// 1e-5 of the largest, as those of winogradRows.
//
// Pictures are cut into pieces of four rows (and strips of 64 pixels). The same rows of
// some pieces, one behind the other, make a line of 32 pairs, which is one step: a row of
// the filter is then a shift by lines, few pictures fill them, nothing is computed beside
// the pictures, and both operands lie in whole tiles.
//
// A task owns some tiles of rows and of columns, and lays out what it needs itself, a
// band at a time: the lines of so many pieces. The sums of all its products come and go
// with each band, while one tile of rows of dy, and of columns of x with all rows of the
// filter, stay in the first-level cache.
type winogradRowsGrad struct {
	kernels.Tiles
	rowsGradCut
	conv    plans.Conv
	lines   []int // of a band: from its first to each in the operands, bytes
	moves   []int // none: the tiles of a call meet the same rows
	gaps    []int // from each tile's first 16 rows to its second
	shifts  []int // to the columns and lines that each tile of columns and row of the filter meets
	workers []rowsGradWorker
	zero    []float32
}

type rowsGradWorker struct {
	tile   kernels.TileArgs
	pairs  kernels.PixelPairsArgs
	turn   kernels.TurnArgs
	memory []uint32        // elements of dy to be transposed
	ahead  plans.Stretches // of the next band, to be fetched
	room   []plans.Stretch // for them
}

// rowsGradBlocks are the 16 channels of dy that are transposed together.
const rowsGradBlocks = 4

func planWinogradRowsGrad(c plans.Conv, workers int, t kernels.Tiles) *plans.Plan {
	p := &winogradRowsGrad{Tiles: t, rowsGradCut: cutRowsGrad(c), conv: c, zero: plans.Zeros(max(c.C, c.O))}
	for i := range p.band {
		p.lines = append(p.lines, i*p.placeY(0, 0, 1)*4)
	}
	for i := range 3 * p.wide {
		p.gaps = append(p.gaps, p.placeY(1, 0, 0)*4)
		p.shifts = append(p.shifts, p.placeX(i/3*2, 0, i%3)*4)
	}
	p.moves = make([]int, 3*p.wide)
	p.workers = make([]rowsGradWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i] = rowsGradWorker{memory: make([]uint32, 4*2*16*16*(rowsGradBlocks|1)), room: make([]plans.Stretch, 0, 2*p.together*(p.band+2))}
	}
	return &plans.Plan{
		ScratchLen: len(p.workers)*p.laidOut() + p.sumsOf(len(p.workers))*p.sums(),
		Phases:     p.bind,
	}
}

// placeX and placeY are where 16 channels of an element ξ of x or dy begin, from a line
// on: its high parts in a tile, and its low ones in another.
func (p *winogradRowsGrad) placeX(block, xi, line int) int {
	return placeIn(p.band+2, block, xi, line)
}

func (p *winogradRowsGrad) placeY(block, xi, line int) int { return placeIn(p.band, block, xi, line) }

// placeIn is that for so many lines: what is stored together, all ξ and many blocks, is no
// multiple of 4 KB apart, or it would meet in few places of the first-level cache.
func placeIn(lines, block, xi, line int) int {
	const apart = 32
	each := lines*2*kernels.TileWords + apart
	return block*(4*each+apart/2) + xi*each + line*2*kernels.TileWords
}

// laidOut is the size of both operands of a band, sums that of a task's sums.
func (p *winogradRowsGrad) laidOut() int { return p.placeX(2*p.wide, 0, 0) + p.placeY(2*p.tall, 0, 0) }
func (p *winogradRowsGrad) sums() int    { return 4 * p.xiLen() }

// xiLen is the size of the sums of one ξ, [tile of rows][tile of columns][row of the
// filter][32][32].
func (p *winogradRowsGrad) xiLen() int { return p.tall * p.wide * 3 * kernels.Side * kernels.Side }

func (p *winogradRowsGrad) bind(a plans.Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(p.workers)*p.laidOut())
	const size = 3 * kernels.Side * kernels.Side // of the sums of a tile and a ξ
	return p.phases(a.Scratch[len(words):], p.sums(), gradTask{
		sum: func(worker int, sums []float32, split, group int) {
			p.task(&p.workers[worker], &a, words[worker*p.laidOut():][:p.laidOut()], sums, split, group)
		},
		add: func(sums, more []float32, i int) {
			for xi := range 4 {
				own := sums[xi*p.xiLen()+i*size:][:size]
				vec.Add(own, own, more[xi*p.xiLen()+i*size:])
			}
		},
		store: func(worker int, sums []float32, row, col, i int) {
			p.store(&p.workers[worker], a.Y, sums[i*size:], row, col)
		},
	})
}

// task sums one split of the bands for a group of tiles.
func (p *winogradRowsGrad) task(w *rowsGradWorker, a *plans.Args, words []uint32, sums []float32, split, group int) {
	row, col := p.first(group)
	rows, cols := min(p.tall, p.rowTiles-row), min(p.wide, p.colTiles-col)
	x, dy := words[:p.placeX(2*p.wide, 0, 0)], words[p.placeX(2*p.wide, 0, 0):]
	from, to := split*p.bands/p.splits, (split+1)*p.bands/p.splits
	for band := from; band < to; band++ {
		p.layOutX(w, a.X, x, band, col*2, min(2*cols, p.conv.C/16-col*2))
		p.layOutY(w, a.W, dy, band, row*2, min(2*rows, p.conv.O/16-row*2))
		w.ahead = w.room[:0]
		if band+1 < to {
			p.fetchBand(w, a, band+1)
		}
		p.sum(w, x, dy, sums, rows, cols, band > from)
	}
}

// sum adds the products of a band to the sums.
func (p *winogradRowsGrad) sum(w *rowsGradWorker, x, dy []uint32, sums []float32, rows, cols int, resume bool) {
	for xi := range 4 {
		for r := range rows {
			t := &w.tile
			*t = kernels.TileArgs{
				A: uintptr(unsafe.Pointer(&dy[p.placeY(2*r, xi, 0)])), Lda: 64, LowA: kernels.TileWords * 4,
				Offsets: &p.lines[0], Taps: p.band, Steps: 1, Places: &p.lines[0],
				B: uintptr(unsafe.Pointer(&x[p.placeX(0, xi, 0)])), Ldb: 64, Second: p.placeX(1, 0, 0) * 4, LowB: kernels.TileWords * 4,
				Acc: &sums[xi*p.xiLen()+r*p.wide*3*kernels.Side*kernels.Side], Moves: &p.moves[0], Gaps: &p.gaps[0], Shifts: &p.shifts[0], Count: 3 * cols,
				FetchStep: 2 * plans.FetchedByStep,
			}
			if resume {
				t.Resume = 1
			}
			t.Fetch, t.FetchEnd = w.ahead.Next(t.Taps * t.Count * t.FetchStep)
			p.Tile(t)
		}
	}
}

// store makes the gradient to the filters of a tile of its sums.
func (p *winogradRowsGrad) store(w *rowsGradWorker, dw, sums []float32, r, c int) {
	rows, cols := min(kernels.Side, p.conv.O-r*kernels.Side), min(kernels.Side, p.conv.C-c*kernels.Side)
	dw = dw[(r*kernels.Side*p.conv.C+c*kernels.Side)*9:]
	for from := 0; from < cols; from += 16 {
		w.turn = kernels.TurnArgs{
			Dst: &dw[from*9], Ldd: 9 * 4, Next: p.conv.C * 9 * 4,
			Src: &sums[from], Lds: p.xiLen() * 4, Taps: 9, Cols: 16, Count: rows,
		}
		p.TurnFilters(&w.turn)
	}
}
