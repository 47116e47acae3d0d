package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// tileGradW is the gradient to the weights with bfloat16 tiles: rows are
// channels of x, columns channels of dy, and k runs over positions. x is laid out
// transposed, so that a tap is a shift along its rows; dy as words of two
// neighbouring positions, in panels of 32 channels. In float32 (split) both operands
// are laid out twice, as high and low parts, and three products are summed; see
// tilesPlan.
//
// A task owns some tiles of rows and of columns, all taps of them, and lays out what
// it needs itself, a band of positions at a time: the operands and the sums then stay
// in the second-level cache of one processor, and nothing but x and dy comes from
// beyond. See gradCut.
//
// Within a band, k goes in chunks that stay in the first-level cache, x and dy
// both, while the sums of all taps come and go: 128 cycles for the 640 of ten steps.
// Operands from the second level would take 20 cycles more every step.
type tileGradW struct {
	tiles
	product
	gradCut
	split           bool
	conv            Conv
	out             layout
	reach           int   // positions of a band in a plane of the transposed x
	pitch           int   // positions in a row of the transposed x
	moves           []int // from a task's first rows to those of each tile of rows and tap, bytes
	offsets, places []int // of each product's parts of x and dy, bytes
	workers         []gradWorker
	zero            []float32
}

type gradWorker struct {
	tile   tileArgs
	rows   rowsArgs
	turn   turnArgs
	memory []float32 // words of two bfloat16 to be transposed
}

const gradLanes = 256 // channels that are transposed together

func planTileGradW(c Conv, out layout, workers int, t tiles, split bool) *Plan {
	return planTileGradWIn(gradBytes, c, out, workers, t, split)
}

// planTileGradWIn plans for so much of a second-level cache, if that will do.
func planTileGradWIn(bytes int, c Conv, out layout, workers int, t tiles, split bool) *Plan {
	p := &tileGradW{tiles: t, product: forward(c), conv: c, out: out, split: split}
	p.gradCut = cutGradW(bytes, &p.product, c, p.parts())
	p.reach = p.band + roundUp(p.slack, step)
	p.pitch = (p.planes*p.reach/step | 1) * step // odd: rows spread over the caches' places
	for r := range p.tall {
		for _, at := range p.classes[0].places {
			p.moves = append(p.moves, (r*side*p.pitch+at.plane*p.reach+at.shift)*2)
		}
	}
	p.offsets, p.places = []int{0}, []int{0}
	if split {
		p.offsets, p.places = []int{0, 0, p.wordsX() * 4}, []int{0, p.wordsY() * 4, 0}
	}
	p.zero = zeros(max(c.C, c.O))
	p.workers = make([]gradWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].memory = make([]float32, p.parts()*16*min(gradLanes, p.tall*side))
	}
	sums := len(p.workers)
	if p.splits > 1 {
		sums = p.tasks()
	}
	return &Plan{
		Algorithm:  t.name + kindOf(split) + " tiles 32x32 transposed",
		ScratchLen: len(p.workers)*p.laidOut() + sums*p.sums(),
		bind:       p.bind,
	}
}

// parts is the number of bfloat16 that a number is the sum of.
func (p *tileGradW) parts() int {
	if p.split {
		return 2
	}
	return 1
}

// wordsX and wordsY are the sizes of one part of the operands of a band.
func (p *tileGradW) wordsX() int { return p.tall * side * p.pitch / 2 }
func (p *tileGradW) wordsY() int { return p.band / 2 * p.wide * side }

// laidOut is the size of both operands of a band, sums that of a task's sums.
func (p *tileGradW) laidOut() int { return p.parts() * (p.wordsX() + p.wordsY()) }
func (p *tileGradW) sums() int    { return p.tall * p.wide * p.taps * side * side }

func (p *tileGradW) bind(a Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(p.workers)*p.laidOut())
	all := a.Scratch[len(words):]
	groups := p.rowGroups * p.colGroups
	phases := []par.Phase{{Name: "tiles", Tasks: p.tasks(), Run: func(task, worker int) {
		w, at := &p.workers[worker], task
		if p.splits == 1 {
			at = worker
		}
		sums := all[at*p.sums():][:p.sums()]
		group := task % groups
		p.task(w, &a, words[worker*p.laidOut():][:p.laidOut()], sums, task/groups, group)
		if p.splits == 1 {
			p.each(group, func(r, c, at int) { p.store(w, a.Y, sums[at:], r, c) })
		}
	}}}
	if p.splits == 1 {
		return phases
	}
	return append(phases, par.Phase{Name: "reorder", Tasks: groups, Run: func(group, worker int) {
		p.each(group, func(r, c, at int) {
			total := all[group*p.sums()+at:][:p.taps*side*side]
			for s := 1; s < p.splits; s++ {
				vec.Add(total, total, all[(s*groups+group)*p.sums()+at:][:len(total)])
			}
			p.store(&p.workers[worker], a.Y, total, r, c)
		})
	}})
}

// each calls f for every tile of rows and of columns of a group, with the place of
// its sums among the group's, [tile of columns][tile of rows][tap][row][column].
func (p *tileGradW) each(group int, f func(r, c, at int)) {
	firstRow, firstCol := group%p.rowGroups*p.tall, group/p.rowGroups*p.wide
	for c := range min(p.wide, p.colTiles-firstCol) {
		for r := range min(p.tall, p.rowTiles-firstRow) {
			f(firstRow+r, firstCol+c, (c*p.tall+r)*p.taps*side*side)
		}
	}
}

// task sums one split of the positions for a group of tiles.
func (p *tileGradW) task(w *gradWorker, a *Args, words []uint32, sums []float32, split, group int) {
	firstRow, firstCol := group%p.rowGroups*p.tall, group/p.rowGroups*p.wide
	x, dy := words[:p.parts()*p.wordsX()], words[p.parts()*p.wordsX():]
	from := split * p.length
	to := min(from+p.length, roundUp(p.positions(), step))
	for first := from; first < to; first += p.band {
		n := min(p.band, to-first)
		p.layOutX(w, a.X, x, firstRow, first, n)
		p.layOutY(w, a.W, dy, firstCol, first, n)
		for c := range min(p.wide, p.colTiles-firstCol) {
			acc := sums[c*p.tall*p.taps*side*side:]
			p.sum(&w.tile, x, dy[c*p.band/2*side:], acc, min(p.tall, p.rowTiles-firstRow), n, first > from)
		}
	}
}

// sum adds n positions to the sums of so many tiles of rows and one of columns.
func (p *tileGradW) sum(t *tileArgs, x, dy []uint32, acc []float32, rows, n int, resume bool) {
	*t = tileArgs{
		lda: p.pitch * 2, offsets: &p.offsets[0], places: &p.places[0], taps: len(p.offsets),
		ldb: 128, second: 64, next: 2048, acc: &acc[0], moves: &p.moves[0], count: rows * p.taps,
	}
	if resume {
		t.resume = 1
	}
	for from := 0; from < n; from += p.chunk {
		t.steps = min(p.chunk, n-from) / step
		t.a = uintptr(unsafe.Pointer(&x[from/2]))
		t.b = uintptr(unsafe.Pointer(&dy[from/2*side]))
		p.tile(t)
		t.resume = 1
	}
}

// store puts sums [tap][row][column] where the gradient has them.
func (p *tileGradW) store(w *gradWorker, dw, sums []float32, r, c int) {
	rows, cols := min(side, p.conv.C-r*side), min(side, p.conv.O-c*side)
	dw = dw[r*side*p.out.row+c*side*p.out.col:]
	switch {
	case p.out.col == 1: // one tap
		for i := range rows {
			copy(dw[i*p.out.row:][:cols], sums[i*side:])
		}
	case p.taps == 1:
		Transpose(dw, p.out.col, sums, side, rows, cols)
	default:
		for from := 0; from < cols; from += 16 {
			w.turn = turnArgs{
				dst: &dw[from*p.out.col], ldd: p.out.col * 4, next: p.out.row * 4,
				src: &sums[from], lds: side * side * 4, taps: p.taps, cols: min(16, cols-from), count: rows,
			}
			p.turnTaps(&w.turn)
		}
	}
}
