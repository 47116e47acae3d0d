package winorows

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Grad is the gradient to the weights of a 3x3 convolution, the adjoint of
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
// Pictures are cut into blocks of four rows, and of 64 pixels of the width (oneDNN's oh_block
// and ow_block). The same rows of some of them, one behind the other, make the 32 pairs of
// one step: a row of the filter is then a shift by steps, few pictures fill them, nothing is
// computed beside the pictures, and both operands lie in whole tiles.
//
// A task owns some tiles of rows and of columns, and lays out what it needs itself, a
// K block at a time: the four steps of so many blocks of rows. The sums of all its products
// come and go with each K block, while one tile of rows of dy, and of columns of x with all
// rows of the filter, stay in the first-level cache.
type Grad struct {
	kernels.Tiles
	RowsGradCut
	Conv        plans.Conv
	StepOffsets []int // of a K block: from its first to each in the operands, bytes
	Moves       []int // none: the tiles of a call meet the same rows
	Gaps        []int // from each tile's first 16 rows to its second
	Shifts      []int // to the columns and steps that each tile of columns and row of the filter meets
	Workers     []rowsGradWorker
	Zero        []float32
}

type rowsGradWorker struct {
	tile   kernels.TileArgs
	pairs  kernels.PixelPairsArgs
	turn   kernels.TurnArgs
	memory []uint32      // elements of dy to be transposed
	ahead  plans.Ranges  // of the next K block, to be fetched
	room   []plans.Range // for them
}

// rowsGradBlocks are the 16 channels of dy that are transposed together.
const rowsGradBlocks = 4

func PlanGrad(c plans.Conv, workers int, t kernels.Tiles) *plans.Plan {
	p := &Grad{Tiles: t, RowsGradCut: CutRowsGrad(c), Conv: c, Zero: plans.Zeros(max(c.C, c.O))}
	for i := range p.BlockSteps {
		p.StepOffsets = append(p.StepOffsets, i*p.offsetY(0, 0, 1)*4)
	}
	for i := range 3 * p.Wide {
		p.Gaps = append(p.Gaps, p.offsetY(1, 0, 0)*4)
		p.Shifts = append(p.Shifts, p.offsetX(i/3*2, 0, i%3)*4)
	}
	p.Moves = make([]int, 3*p.Wide)
	p.Workers = make([]rowsGradWorker, max(workers, 1))
	for i := range p.Workers {
		p.Workers[i] = rowsGradWorker{memory: make([]uint32, 4*2*16*16*(rowsGradBlocks|1)), room: make([]plans.Range, 0, 2*p.Together*(p.BlockSteps+2))}
	}
	return &plans.Plan{
		ScratchLen: len(p.Workers)*p.laidOutLen() + p.SumsOf(len(p.Workers))*p.sums(),
		Phases:     p.bind,
	}
}

// offsetX and offsetY are where 16 channels of an element ξ of x or dy begin, from a step
// on: its high parts in a tile, and its low ones in another.
func (p *Grad) offsetX(block, xi, step int) int {
	return offsetIn(p.BlockSteps+2, block, xi, step)
}

func (p *Grad) offsetY(block, xi, step int) int { return offsetIn(p.BlockSteps, block, xi, step) }

// offsetIn is that for so many steps: what is stored together, all ξ and many blocks, is no
// multiple of 4 KB apart, or it would fall into few sets of the first-level cache.
func offsetIn(steps, block, xi, step int) int {
	const apart = 32
	each := steps*2*kernels.TileWords + apart
	return block*(4*each+apart/2) + xi*each + step*2*kernels.TileWords
}

// laidOutLen is the size of both operands of a K block, sums that of a task's sums.
func (p *Grad) laidOutLen() int { return p.offsetX(2*p.Wide, 0, 0) + p.offsetY(2*p.Tall, 0, 0) }
func (p *Grad) sums() int       { return 4 * p.xiLen() }

// xiLen is the size of the sums of one ξ, [tile of rows][tile of columns][row of the
// filter][32][32].
func (p *Grad) xiLen() int { return p.Tall * p.Wide * 3 * kernels.Side * kernels.Side }

func (p *Grad) bind(a plans.Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(p.Workers)*p.laidOutLen())
	const size = 3 * kernels.Side * kernels.Side // of the sums of a tile and a ξ
	return p.Phases(a.Scratch[len(words):], p.sums(), tiled.GradTask{
		Sum: func(worker int, sums []float32, split, block int) {
			p.task(&p.Workers[worker], &a, words[worker*p.laidOutLen():][:p.laidOutLen()], sums, split, block)
		},
		Add: func(sums, more []float32, i int) {
			for xi := range 4 {
				own := sums[xi*p.xiLen()+i*size:][:size]
				vec.Add(own, own, more[xi*p.xiLen()+i*size:])
			}
		},
		Store: func(worker int, sums []float32, row, col, i int) {
			p.store(&p.Workers[worker], a.Y, sums[i*size:], row, col)
		},
	})
}

// task sums one split of the K blocks for a block of tiles.
func (p *Grad) task(w *rowsGradWorker, a *plans.Args, words []uint32, sums []float32, split, block int) {
	row, col := p.First(block)
	rows, cols := min(p.Tall, p.RowTiles-row), min(p.Wide, p.ColTiles-col)
	x := operand{a.X, p.Conv.C, col * 2, min(2*cols, p.Conv.C/16-col*2)}
	dy := operand{a.W, p.Conv.O, row * 2, min(2*rows, p.Conv.O/16-row*2)}
	laid := laidOut{words[:p.offsetX(2*p.Wide, 0, 0)], words[p.offsetX(2*p.Wide, 0, 0):]}
	from, to := split*p.KBlocks/p.Splits, (split+1)*p.KBlocks/p.Splits
	for kBlock := from; kBlock < to; kBlock++ {
		p.layOutX(w, x, laid.x, kBlock)
		p.layOutY(w, dy, laid.dy, kBlock)
		w.ahead = w.room[:0]
		if kBlock+1 < to {
			p.fetchKBlock(w, a, kBlock+1)
		}
		p.sum(w, laid, sums, rows, cols, kBlock > from)
	}
}

// laidOut are both operands of a K block.
type laidOut struct{ x, dy []uint32 }

// sum adds the products of a K block to the sums of so many tiles.
func (p *Grad) sum(w *rowsGradWorker, of laidOut, sums []float32, rows, cols int, resume bool) {
	for xi := range 4 {
		for r := range rows {
			t := &w.tile
			*t = kernels.TileArgs{
				A: uintptr(unsafe.Pointer(&of.dy[p.offsetY(2*r, xi, 0)])), Lda: 64, LowA: kernels.TileWords * 4,
				Offsets: &p.StepOffsets[0], Taps: p.BlockSteps, Steps: 1, OffsetsB: &p.StepOffsets[0],
				B: uintptr(unsafe.Pointer(&of.x[p.offsetX(0, xi, 0)])), Ldb: 64, Second: p.offsetX(1, 0, 0) * 4, LowB: kernels.TileWords * 4,
				Acc: &sums[xi*p.xiLen()+r*p.Wide*3*kernels.Side*kernels.Side], Moves: &p.Moves[0], Gaps: &p.Gaps[0], Shifts: &p.Shifts[0], Count: 3 * cols,
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
func (p *Grad) store(w *rowsGradWorker, dw, sums []float32, r, c int) {
	rows, cols := min(kernels.Side, p.Conv.O-r*kernels.Side), min(kernels.Side, p.Conv.C-c*kernels.Side)
	dw = dw[(r*kernels.Side*p.Conv.C+c*kernels.Side)*9:]
	for from := 0; from < cols; from += 16 {
		w.turn = kernels.TurnArgs{
			Dst: &dw[from*9], Ldd: 9 * 4, Next: p.Conv.C * 9 * 4,
			Src: &sums[from], Lds: p.xiLen() * 4, Taps: 9, Cols: 16, Count: rows,
		}
		p.TurnFilters(&w.turn)
	}
}
