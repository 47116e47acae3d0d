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
// added in order at the end. In float32 (split) both operands are stored twice,
// as high and low parts, and three products are summed; see tilesPlan.
type tileGradW struct {
	tiles
	product
	split        bool
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

func planTileGradW(c Conv, out layout, workers int, t tiles, split bool) *Plan {
	p := &tileGradW{tiles: t, product: forward(c), conv: c, out: out, split: split}
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
	name := " bf16"
	if split {
		name = " split f32"
	}
	return &Plan{
		Algorithm:  t.name + name + " tiles 32x32 transposed",
		ScratchLen: p.parts()*(p.wordsX+p.length/2*p.wide) + p.splits*p.rowTiles*p.colTiles*c.KH*c.KW*side*side,
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

// low is the same plan for the low parts.
func (p *tileGradW) low() *tileGradW {
	q := *p
	q.pairs, q.pairRows = p.pairsLow, nil
	return &q
}

func (p *tileGradW) bind(a Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(a.Scratch))
	size := p.wordsX + p.length/2*p.wide // of the operands' one part
	phases := p.operands(a, words[:size])
	if p.split {
		phases = append(phases, p.low().operands(a, words[size:2*size])...)
	}
	sums := a.Scratch[p.parts()*size:]
	return append(phases,
		par.Phase{Name: "tiles", Tasks: p.splits * p.rowTiles * p.colTiles, Run: func(task, worker int) {
			p.sum(words, size, sums, &p.workers[worker], task)
		}},
		par.Phase{Name: "reorder", Tasks: p.rowTiles * p.colTiles, Run: func(task, _ int) { p.store(a.Y, sums, task) }},
	)
}

// operands fills the transposed x and the pairs of dy.
func (p *tileGradW) operands(a Args, words []uint32) []par.Phase {
	x, dy := words[:p.wordsX], words[p.wordsX:]
	const block = 16 // pairs of positions
	return []par.Phase{
		{Name: "transpose", Tasks: ceilDiv(p.pitch/2, block), Run: func(task, worker int) {
			p.transposeX(a.X, x, &p.workers[worker], task*block)
		}},
		{Name: "pairs", Tasks: ceilDiv(p.length/2, 64), Run: func(task, _ int) {
			end := min((task+1)*64, p.length/2)
			for i := task * 64; i < end; {
				i += p.pairsOfY(a.W, dy[i*p.wide:], 2*i, end-i)
			}
		}},
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
		if n := p.neighbours(2*(pair+i), pairs-i); n > 0 && p.conv.C == lanes && p.pairRows != nil {
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
	if r := p.result(0, position); r >= 0 && position < p.positions() && p.conv.O == p.wide && p.pairRows != nil {
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

// sum adds up one split of one tile of rows and columns, for all taps. The
// parts of x and dy lie size words apart.
func (p *tileGradW) sum(words []uint32, size int, sums []float32, w *tilesWorker, task int) {
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
		for _, pair := range [][2]int{{0, 0}, {0, 1}, {1, 0}}[:2*p.parts()-1] { // high·high, high·low, low·high
			x, dy := words[pair[0]*size:], words[pair[1]*size+p.wordsX:]
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
