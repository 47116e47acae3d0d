package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
)

// chunk is the number of positions of which all taps are summed before going
// on, so that both operands stay in the second-level cache.
const chunk = 1024

// tileGradW is the gradient to the weights with bfloat16 tiles: rows are
// channels of x, columns channels of dy, and k runs over positions. x is stored
// transposed, so that a tap is a shift along its rows; dy as words of two
// neighbouring positions. The positions are cut into splits whose sums are
// added in order at the end.
type tileGradW struct {
	tiles
	product
	conv         Conv
	out          layout
	rowTiles     int
	colTiles     int
	length       int // positions of a plane, rounded up to whole chunks' steps
	pitch        int // positions in a row of the transposed x
	splits       int
	chunksPer    int
	workers      []tilesWorker
	zero         []float32
	wordsX, wide int // size of the transposed x in words; columns of dy rounded up
}

func planTileGradW(c Conv, out layout, workers int, t tiles) *Plan {
	p := &tileGradW{tiles: t, product: forward(c), conv: c, out: out}
	p.rowTiles, p.colTiles = ceilDiv(c.C, side), ceilDiv(c.O, side)
	p.length = roundUp(p.positions(), step)
	p.pitch = roundUp(p.planes*p.length+p.slack+step, step) + step
	chunks := ceilDiv(p.length, chunk)
	p.splits = min(ceilDiv(8, p.rowTiles*p.colTiles), ceilDiv(chunks, 4))
	p.chunksPer = ceilDiv(chunks, p.splits)
	p.splits = ceilDiv(chunks, p.chunksPer)
	p.wide = p.colTiles * side
	p.wordsX = p.rowTiles * side * p.pitch / 2
	p.zero = make([]float32, max(c.C, c.O)+side)
	p.workers = make([]tilesWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].offsets = make([]int, 1)
		p.workers[i].rows = make([]uintptr, 16*p.rowTiles*side/2+1)
	}
	return &Plan{
		Algorithm:  t.name + " bf16 tiles 32x32 transposed",
		ScratchLen: p.wordsX + p.length/2*p.wide + p.splits*p.rowTiles*p.colTiles*c.KH*c.KW*side*side,
		bind:       p.bind,
	}
}

func (p *tileGradW) bind(a Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(a.Scratch))
	x, dy := words[:p.wordsX], words[p.wordsX:][:p.length/2*p.wide]
	sums := a.Scratch[p.wordsX+len(dy):]
	const block = 16 // pairs of positions
	blocks := ceilDiv(p.pitch/2, block)
	tasks := p.splits * p.rowTiles * p.colTiles
	return []par.Phase{
		{Name: "transpose", Tasks: blocks, Run: func(task, worker int) { p.transposeX(a.X, x, &p.workers[worker], task*block) }},
		{Name: "pairs", Tasks: ceilDiv(p.length/2, 64), Run: func(task, _ int) {
			end := min((task+1)*64, p.length/2)
			for i := task * 64; i < end; {
				i += p.pairsOfY(a.W, dy[i*p.wide:], 2*i, end-i)
			}
		}},
		{Name: "tiles", Tasks: tasks, Run: func(task, worker int) { p.sum(x, dy, sums, &p.workers[worker], task) }},
		{Name: "reorder", Tasks: p.rowTiles * p.colTiles, Run: func(task, _ int) { p.store(a.Y, sums, task) }},
	}
}

// rowOfX is where the channels of the pixel at a place of the transposed x's
// rows are read from.
func (p *tileGradW) rowOfX(x []float32, at int) *float32 {
	if plane := at / p.length; plane < p.planes {
		if i := p.pixel(plane, at%p.length); at%p.length < p.positions() && i >= 0 {
			return &x[i*p.conv.C]
		}
	}
	return &p.zero[0]
}

// neighbours is how many pairs from a place on are neighbouring pixels of one
// row of the picture, at most most.
func (p *tileGradW) neighbours(at, most int) int {
	plane := at / p.length
	if p.stride != 1 || plane > 0 || at >= p.positions() {
		return 0
	}
	x, y := at%p.wp-p.left, at/p.wp%p.hp-p.top
	if x < 0 || uint(y) >= uint(p.h) {
		return 0
	}
	return max(min((p.w-x)/2, most), 0)
}

// transposeX fills 32 positions of all rows of the transposed x.
func (p *tileGradW) transposeX(x []float32, dst []uint32, w *tilesWorker, pair int) {
	lanes := p.rowTiles * side
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&w.rows[0])), 2*len(w.rows))[:16*lanes]
	pairs := min(16, p.pitch/2-pair)
	for i := 0; i < 16; {
		row := words[i*lanes:][:lanes]
		if i >= pairs {
			clear(row)
			i++
			continue
		}
		if n := p.neighbours(2*(pair+i), pairs-i); n > 0 && p.conv.C == lanes {
			p.pairRows(&row[0], p.rowOfX(x, 2*(pair+i)), p.conv.C, n)
			i += n
			continue
		}
		clear(row[p.conv.C:])
		p.pairs(&row[0], p.rowOfX(x, 2*(pair+i)), p.rowOfX(x, 2*(pair+i)+1), p.conv.C)
		i++
	}
	if pairs == 16 {
		for c := 0; c < lanes; c += 16 {
			p.transpose(&dst[c*p.pitch/2+pair], p.pitch*2, &words[c], lanes*4)
		}
		return
	}
	for c := range lanes {
		for i := range pairs {
			dst[c*p.pitch/2+pair+i] = words[i*lanes+c]
		}
	}
}

// pairsOfY writes the pair at a position, or all up to the end of a row of the
// result (at most most), and returns how many.
func (p *tileGradW) pairsOfY(dy []float32, rows []uint32, position, most int) int {
	x := position % p.wp
	if r := p.result(0, position); r >= 0 && position < p.positions() && p.conv.O == p.wide {
		if n := min((p.ow-x)/2, most); n > 0 {
			p.pairRows(&rows[0], &dy[r*p.conv.O], p.conv.O, n)
			return n
		}
	}
	at := func(position int) *float32 {
		if r := p.result(0, position); position < p.positions() && r >= 0 {
			return &dy[r*p.conv.O]
		}
		return &p.zero[0]
	}
	clear(rows[p.conv.O:p.wide])
	p.pairs(&rows[0], at(position), at(position+1), p.conv.O)
	return 1
}

// sum adds up one split of one tile of rows and columns, for all taps.
func (p *tileGradW) sum(x, dy []uint32, sums []float32, w *tilesWorker, task int) {
	split := task / (p.rowTiles * p.colTiles)
	r, c := task/p.colTiles%p.rowTiles, task%p.colTiles
	offsets := p.classes[0].offsets
	acc := sums[task*len(offsets)*side*side:]
	w.offsets[0] = 0
	w.tile = tileArgs{
		lda: p.pitch * 2, offsets: &w.offsets[0], taps: 1,
		ldb: p.wide * 4, second: 64, next: 16 * p.wide * 4,
	}
	first := split * p.chunksPer * chunk
	last := min(first+p.chunksPer*chunk, p.length)
	for from := first; from < last; from += chunk {
		w.tile.steps = min(chunk, last-from) / step
		w.tile.b = uintptr(unsafe.Pointer(&dy[from/2*p.wide+c*side]))
		for t, offset := range offsets {
			plane, shift := offset/p.positions(), offset%p.positions()
			if p.planes == 1 {
				plane, shift = 0, offset
			}
			w.tile.a = uintptr(unsafe.Pointer(&x[r*side*p.pitch/2])) + uintptr((plane*p.length+shift+from)*2)
			w.tile.acc = &acc[t*side*side]
			p.tile(&w.tile)
		}
		w.tile.resume = 1
	}
}

// store adds the splits up and puts the sums where the gradient has them.
func (p *tileGradW) store(dw, sums []float32, task int) {
	r, c := task/p.colTiles, task%p.colTiles
	taps := len(p.classes[0].offsets)
	rows, cols := min(side, p.conv.C-r*side), min(side, p.conv.O-c*side)
	for t := range taps {
		for i := range rows {
			for j := range cols {
				var v float32
				for s := range p.splits {
					v += sums[((s*p.rowTiles*p.colTiles+task)*taps+t)*side*side+i*side+j]
				}
				dw[(r*side+i)*p.out.row+(c*side+j)*p.out.col+t*p.out.tap] = v
			}
		}
	}
}
