package tiled

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// tileGradW is the gradient to the weights with bfloat16 tiles: rows are channels of
// dy, columns channels of x, and k runs over positions. dy is laid out transposed, x as
// words of two neighbouring positions, in panels of 32 channels, so that a tap is a
// shift by rows of words, and no load straddles two cache lines; taps that are an odd
// number of positions away see a second copy, of pairs that begin at odd positions. In
// float32 (split) all that is laid out twice, as high and low parts, and three products
// are summed; see tilesPlan.
//
// A task owns some tiles of rows and of columns, all taps of them, and lays out what
// it needs itself, a K block of positions at a time: the operands and the sums then stay
// in the second-level cache of one processor, and nothing but x and dy comes from
// beyond. See gradCut.
//
// A K block is summed by inner K blocks that stay in the first-level cache, x and dy
// both, while the sums of all taps come and go: 128 cycles for the 640 of ten steps.
// Operands from the second level would take 20 cycles more every step.
type tileGradW struct {
	kernels.Tiles
	plans.Product
	gradCut
	split   bool
	swapped bool // dy is taken for x and x for dy
	conv    plans.Conv
	out     plans.Layout
	copies  int   // of x, with pairs that begin at even and at odd positions
	reach   int   // positions of a K block in a copy of a residue of x
	pitch   int   // positions in a row of the transposed dy
	shifts  []int // from a task's panels of x to what each tile of columns and tap meets, bytes
	none    []int // moves of dy's rows: all tiles of columns meet the same
	workers []gradWorker
	zero    []float32
}

type gradWorker struct {
	tile   kernels.TileArgs
	pairs  kernels.PanelPairs
	turn   kernels.TurnArgs
	memory []float32    // words of two bfloat16 to be transposed
	ahead  plans.Ranges // of the next K block, to be fetched
	both   [2]plans.Range
}

const gradLanes = 256 // channels that are transposed together

func PlanGrad(c plans.Conv, out plans.Layout, workers int, t kernels.Tiles, split bool) *plans.Plan {
	return PlanGradIn(GradBytes, c, out, workers, t, split)
}

// PlanGradIn plans for so much of a second-level cache, if that will do.
func PlanGradIn(bytes int, c plans.Conv, out plans.Layout, workers int, t kernels.Tiles, split bool) *plans.Plan {
	p := newTileGradW(room{bytes, GradTasks}, c, out, workers, t, split)
	return &plans.Plan{
		ScratchLen: len(p.workers)*p.laidOut() + p.SumsOf(len(p.workers))*p.sums(),
		Phases:     p.bind,
	}
}

// room is what a gradient is cut for: bytes of a second-level cache, and tasks at once.
type room struct{ bytes, tasks int }

func newTileGradW(r room, c plans.Conv, out plans.Layout, workers int, t kernels.Tiles, split bool) *tileGradW {
	p := &tileGradW{Tiles: t, split: split}
	if c.Pointwise() && c.C < c.O { // the fewer channels are those to be transposed
		p.swapped = true
		c.C, c.O = c.O, c.C
		out.Row, out.Col = out.Col, out.Row
	}
	p.Product, p.conv, p.out = plans.Forward(c), c, out
	p.gradCut = CutGradW(r.bytes, r.tasks, &p.Product, c, p.parts())
	p.copies = 1
	for _, at := range p.Classes[0].Shifts {
		p.copies = max(p.copies, at.Shift%2+1)
	}
	p.reach = p.KBlock + plans.RoundUp(p.Slack, kernels.Step) + 2 // panels are an odd number of pairs apart: see offsetIn
	p.pitch = (p.KBlock/kernels.Step | 1) * kernels.Step          // odd: rows spread over the sets of the caches
	for c := range p.Wide {
		for _, at := range p.Classes[0].Shifts {
			p.shifts = append(p.shifts, p.offset(c, at.Shift%2, at.Residue, at.Shift/2*2)*4)
		}
	}
	p.none = make([]int, len(p.shifts))
	p.zero = plans.Zeros(max(c.C, c.O))
	p.workers = make([]gradWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].memory = make([]float32, p.parts()*16*(min(gradLanes, p.Tall*kernels.Side)|16))
	}
	return p
}

// parts is the number of bfloat16 that a number is the sum of.
func (p *tileGradW) parts() int {
	if p.split {
		return 2
	}
	return 1
}

// wordsX and wordsY are the sizes of one part of the operands of a K block.
func (p *tileGradW) wordsX() int { return p.offset(p.Wide, 0, 0, 0) }
func (p *tileGradW) wordsY() int { return p.Tall * kernels.Side * p.pitch / 2 }

// offset is where the words of a panel, copy and residue of x begin, from a position on.
func (p *tileGradW) offset(panel, copy, residue, position int) int {
	return (((panel*p.copies+copy)*p.Residues+residue)*p.reach + position) / 2 * kernels.Side
}

// laidOut is the size of both operands of a K block, sums that of a task's sums.
func (p *tileGradW) laidOut() int { return p.parts() * (p.wordsX() + p.wordsY()) }
func (p *tileGradW) sums() int    { return p.Tall * p.Wide * p.Taps * kernels.Side * kernels.Side }

func (p *tileGradW) bind(a plans.Args) []par.Phase {
	if p.swapped {
		a.X, a.W = a.W, a.X
	}
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(p.workers)*p.laidOut())
	size := p.Taps * kernels.Side * kernels.Side
	return p.Phases(a.Scratch[len(words):], p.sums(), GradTask{
		Sum: func(worker int, sums []float32, split, block int) {
			p.task(&p.workers[worker], &a, words[worker*p.laidOut():][:p.laidOut()], sums, share{split, block}, false)
		},
		Add: func(sums, more []float32, i int) {
			own := sums[i*size:][:size]
			vec.Add(own, own, more[i*size:])
		},
		Store: func(worker int, sums []float32, row, col, i int) {
			p.store(&p.workers[worker], a.Y, sums[i*size:], row, col)
		},
	})
}

// share is what a task sums: one split of the positions, for a block of tiles.
type share struct{ split, block int }

// task sums a share, or adds it to the sums.
func (p *tileGradW) task(w *gradWorker, a *plans.Args, words []uint32, sums []float32, of share, resume bool) {
	firstRow, firstCol := p.First(of.block)
	x, dy := words[:p.parts()*p.wordsX()], words[p.parts()*p.wordsX():]
	from := of.split * p.Length
	to := min(from+p.Length, plans.RoundUp(p.Positions(), kernels.Step))
	for first := from; first < to; first += p.KBlock {
		n := min(p.KBlock, to-first)
		p.layOutX(w, a.X, x, firstCol, first, n)
		p.layOutY(w, a.W, dy, firstRow, first, n)
		p.nextKBlock(w, a, first+n, min(p.KBlock, to-first-n))
		for r := range min(p.Tall, p.RowTiles-firstRow) {
			acc := sums[r*p.Wide*p.Taps*kernels.Side*kernels.Side:]
			p.sum(w, laid{x, dy[r*kernels.Side*p.pitch/2:]}, acc, min(p.Wide, p.ColTiles-firstCol), n, resume || first > from)
		}
	}
}

// nextKBlock is what to fetch during the products, of n positions from one on: operands
// whose channels the task takes all of.
func (p *tileGradW) nextKBlock(w *gradWorker, a *plans.Args, position, n int) {
	w.ahead = w.both[:0]
	if p.ColBlocks == 1 {
		w.ahead = append(w.ahead, p.rangeOf(&operand{data: a.X, depth: p.conv.C}, position, n))
	}
	if p.RowBlocks == 1 {
		w.ahead = append(w.ahead, p.rangeOf(&operand{data: a.W, depth: p.conv.O, residue: noResidue}, position, n))
	}
}

// laid are the operands of a K block, those of dy from a tile's first row on.
type laid struct{ x, dy []uint32 }

// sum adds n positions to the sums of one tile of rows and so many of columns.
func (p *tileGradW) sum(w *gradWorker, of laid, acc []float32, cols, n int, resume bool) {
	t := &w.tile
	*t = kernels.TileArgs{
		Lda: p.pitch * 2, Offsets: &p.none[0], Taps: 1,
		Ldb: 128, Second: 64, Next: 2048, Acc: &acc[0], Moves: &p.none[0], Shifts: &p.shifts[0], Count: cols * p.Taps,
	}
	if p.split {
		t.LowA, t.LowB = p.wordsY()*4, p.wordsX()*4
	}
	if resume {
		t.Resume = 1
	}
	for from := 0; from < n; from += p.InnerK {
		t.Steps = min(p.InnerK, n-from) / kernels.Step
		t.A = uintptr(unsafe.Pointer(&of.dy[from/2]))
		t.B = uintptr(unsafe.Pointer(&of.x[from/2*kernels.Side]))
		t.Fetch, t.FetchEnd = w.ahead.Next(t.Steps * t.Count * plans.FetchedByStep)
		p.Tile(t)
		t.Resume = 1
	}
}

// store puts sums [tap][row][column] where the gradient has them.
func (p *tileGradW) store(w *gradWorker, dw, sums []float32, r, c int) {
	rows, cols := min(kernels.Side, p.conv.O-r*kernels.Side), min(kernels.Side, p.conv.C-c*kernels.Side)
	dw = dw[r*kernels.Side*p.out.Col+c*kernels.Side*p.out.Row:]
	switch {
	case p.out.Row == 1: // one tap
		for i := range rows {
			copy(dw[i*p.out.Col:][:cols], sums[i*kernels.Side:])
		}
	case p.Taps == 1:
		plans.Transpose(dw, p.out.Row, sums, kernels.Side, rows, cols)
	default:
		for from := 0; from < cols; from += 16 {
			w.turn = kernels.TurnArgs{
				Dst: &dw[from*p.out.Row], Ldd: p.out.Row * 4, Next: p.out.Col * 4,
				Src: &sums[from], Lds: kernels.Side * kernels.Side * 4, Taps: p.Taps, Cols: min(16, cols-from), Count: rows,
			}
			p.TurnTaps(&w.turn)
		}
	}
}
