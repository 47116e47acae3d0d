package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// tileGradW is the gradient to the weights with bfloat16 tiles: rows are
// channels of x, columns channels of dy, and k runs over positions. x is stored
// transposed, so that a tap is a shift along its rows; dy as words of two
// neighbouring positions, in panels of 32 channels. In float32 (split) both operands are stored twice,
// as high and low parts, and three products are summed; see tilesPlan.
//
// The positions are taken in bands, as in tilesPlan, and the sums go on from band
// to band in memory. Every band is cut into splits with sums of their own, so that
// few channels make enough tasks too; they are added in order at the end. The sizes
// of both follow from the shapes alone, as they are the order of the sums.
//
// Within a split, k goes in chunks that stay in the first-level cache, x and dy
// both, while the sums of all taps come and go: 128 cycles for the 640 of ten steps.
// Operands from the second level would take 20 cycles more every step.
type tileGradW struct {
	tiles
	product
	split              bool
	conv               Conv
	out                layout
	rowTiles, colTiles int
	band               int // positions
	reach              int // positions of a band in a plane of the transposed x
	pitch              int // positions in a row of the transposed x
	splits             int
	group              int   // tiles of rows in a task
	moves              []int // from a group's first rows to those of each tile of rows and tap, bytes
	offsets, places    []int // of each product's parts of x and dy, bytes
	workers            []gradWorker
	zero               []float32
}

type gradWorker struct {
	tile   tileArgs
	rows   rowsArgs
	memory []float32 // words of two bfloat16 to be transposed, or a tile of sums
}

const (
	gradBandBytes = 4 << 20
	gradLanes     = 256 // channels that are transposed together
	gradBlock     = 4   // transposed blocks of 32 positions in a task
)

func planTileGradW(c Conv, out layout, workers int, t tiles, split bool) *Plan {
	return planTileGradWIn(gradBandBytes, c, out, workers, t, split)
}

// planTileGradWIn plans with so much memory for the operands of a band, if that will do.
func planTileGradWIn(bytes int, c Conv, out layout, workers int, t tiles, split bool) *Plan {
	p := &tileGradW{tiles: t, product: forward(c), conv: c, out: out, split: split}
	p.rowTiles, p.colTiles = ceilDiv(c.C, side), ceilDiv(c.O, side)
	p.cut(bytes)
	for r := range p.group {
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
		p.workers[i].memory = make([]float32, max(p.parts()*16*min(gradLanes, p.rowTiles*side), side*side))
	}
	return &Plan{
		Algorithm:  t.name + kindOf(split) + " tiles 32x32 transposed",
		ScratchLen: p.parts()*(p.wordsX()+p.wordsY()) + p.splits*p.colTiles*p.rowTiles*p.taps()*side*side,
		bind:       p.bind,
	}
}

// cut chooses bands, splits and groups; none may follow the number of workers.
func (p *tileGradW) cut(bytes int) {
	taps := p.taps()
	all := roundUp(p.positions(), step)
	p.splits = max(min(ceilDiv(8, p.rowTiles*p.colTiles), all/p.chunk()), 1)
	position := p.parts() * 2 * side * (p.planes*p.rowTiles + p.colTiles) // bytes
	most := max(bytes/position-p.slack, 4*p.slack, 1024)
	p.band = roundUp(ceilDiv(all, ceilDiv(all, most)), step*p.splits)
	p.reach = p.band + roundUp(p.slack, step)
	p.pitch = (p.planes*p.reach/step | 1) * step // odd: rows spread over the caches' places
	p.group = max(min(ceilDiv(mostTiles, taps), p.rowTiles*p.colTiles*p.splits/mostTiles, p.rowTiles), 1)
}

func (p *tileGradW) taps() int { return p.conv.KH * p.conv.KW }

// chunk is the number of positions of which all taps are summed before going on.
func (p *tileGradW) chunk() int { return chunkSteps / p.parts() * step }

// parts is the number of bfloat16 that a number is the sum of.
func (p *tileGradW) parts() int {
	if p.split {
		return 2
	}
	return 1
}

// wordsX and wordsY are the sizes of one part of the operands of a band.
func (p *tileGradW) wordsX() int { return p.rowTiles * side * p.pitch / 2 }
func (p *tileGradW) wordsY() int { return p.band / 2 * p.colTiles * side }

func (p *tileGradW) bind(a Args) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), len(a.Scratch))
	x, dy := words[:p.parts()*p.wordsX()], words[p.parts()*p.wordsX():][:p.parts()*p.wordsY()]
	sums := a.Scratch[len(x)+len(dy):]
	rowGroups := ceilDiv(p.rowTiles, p.group)
	var phases []par.Phase
	for first := 0; first < p.positions(); first += p.band {
		phases = append(phases, p.layOut(a, x, dy, first), par.Phase{
			Name: "tiles", Tasks: p.splits * p.colTiles * rowGroups, Run: func(task, worker int) {
				split, c, r := task/(p.colTiles*rowGroups), task/rowGroups%p.colTiles, task%rowGroups*p.group
				p.sum(&p.workers[worker].tile, x, dy, sums, first, split, c, r)
			},
		})
	}
	return append(phases, par.Phase{Name: "reorder", Tasks: p.rowTiles * p.colTiles, Run: func(task, worker int) {
		p.store(&p.workers[worker], a.Y, sums, task/p.colTiles, task%p.colTiles)
	}})
}

// layOut fills the transposed x and the pairs of dy of the band at position first.
func (p *tileGradW) layOut(a Args, x, dy []uint32, first int) par.Phase {
	const positions = gradBlock * step
	inPlane := ceilDiv(p.reach, positions)
	blocksX := p.planes * inPlane
	return par.Phase{Name: "lay out", Tasks: blocksX + ceilDiv(p.band, positions), Run: func(task, worker int) {
		w := &p.workers[worker]
		if task < blocksX {
			plane, from := task/inPlane, task%inPlane*positions
			for at := from; at < min(from+positions, p.reach); at += step {
				p.transposeX(w, a.X, x[(plane*p.reach+at)/2:], plane, first+at)
			}
			return
		}
		from := (task - blocksX) * positions
		for c := range p.colTiles {
			o := operand{data: a.W, from: c * side, depth: p.conv.O, stride: 1, plane: noPlane}
			panel := dy[(c*p.band+from)/2*side:]
			p.pairsOf(w, o, panel, side, p.wordsY(), first+from, min(positions, p.band-from)/2, min(side, p.conv.O-c*side))
		}
	}}
}

// transposeX fills 32 positions of all rows of the transposed x, from a position
// of a plane on.
func (p *tileGradW) transposeX(w *gradWorker, x []float32, dst []uint32, plane, position int) {
	words := wordsOf(w.memory)
	for from := 0; from < p.rowTiles*side; from += gradLanes {
		lanes := min(gradLanes, p.rowTiles*side-from)
		o := operand{data: x, from: from, depth: p.conv.C, stride: p.stride, plane: plane}
		p.pairsOf(w, o, words, lanes, 16*lanes, position, 16, min(lanes, p.conv.C-from))
		for part := range p.parts() {
			for c := 0; c < lanes; c += 16 {
				p.transpose(&dst[part*p.wordsX()+(from+c)*p.pitch/2], p.pitch*2, &words[part*16*lanes+c], lanes*4)
			}
		}
	}
}

// operand is x, of a plane, or dy; its numbers from channel from on are wanted.
type operand struct {
	data                []float32
	from, depth, stride int
	plane               int
}

// noPlane marks dy.
const noPlane = -1

// runOf is where the pixel at a position begins, or -1, and for how many positions
// it goes on like this.
func (p *tileGradW) runOf(o *operand, position int) (at, n int) {
	var pixel int
	if o.plane == noPlane {
		pixel, n = p.result(0, position)
	} else {
		pixel, n = p.run(o.plane, position)
	}
	if pixel < 0 {
		return -1, n
	}
	return pixel*o.depth + o.from, n
}

// pairsOf fills count rows of words, wide each, with n channels of the pairs of
// positions from one on; low parts go low words behind.
func (p *tileGradW) pairsOf(w *gradWorker, o operand, dst []uint32, wide, low, position, count, n int) {
	if !p.split {
		low = 0
	}
	w.rows = rowsArgs{ldd: wide * 4, lds: o.stride * o.depth * 4, n: n, low: low * 4}
	for i := 0; i < count; {
		at, m := p.runOf(&o, position+2*i)
		pairs := min(max(m/2, 1), count-i)
		row := dst[i*wide:]
		if at < 0 && m > 1 || n < wide {
			clear(row[:pairs*wide])
			if p.split {
				clear(row[low : low+pairs*wide])
			}
		}
		switch {
		case m == 1: // the end of a row
			next, _ := p.runOf(&o, position+2*i+1)
			p.pair(row, low, p.at(o, at), p.at(o, next), n)
		case at >= 0:
			w.rows.src, w.rows.dst, w.rows.count = &o.data[at], unsafe.Pointer(&row[0]), pairs
			p.rowPairs(&w.rows)
		}
		i += pairs
	}
}

// at is the pixel that begins there, or zeros.
func (p *tileGradW) at(o operand, at int) *float32 {
	if at < 0 {
		return &p.zero[0]
	}
	return &o.data[at]
}

func (p *tileGradW) pair(row []uint32, low int, even, odd *float32, n int) {
	p.pairs(&row[0], even, odd, n)
	if p.split {
		p.pairsLow(&row[low], even, odd, n)
	}
}

// sum adds one split of the band at position first to the sums of a group of tiles
// of rows, from r on, and one of columns, c, for all taps.
func (p *tileGradW) sum(t *tileArgs, x, dy []uint32, sums []float32, first, split, c, r int) {
	taps := p.taps()
	size := taps * side * side
	count := min(p.group, p.rowTiles-r)
	acc := sums[((split*p.colTiles+c)*p.rowTiles+r)*size:][:count*size]
	if first == 0 {
		clear(acc)
	}
	*t = tileArgs{
		lda: p.pitch * 2, offsets: &p.offsets[0], places: &p.places[0], taps: len(p.offsets),
		ldb: 128, second: 64, next: 2048,
		acc: &acc[0], resume: 1, moves: &p.moves[0], count: count * taps,
	}
	length := p.band / p.splits
	from := split * length
	last := min(from+length, roundUp(p.positions()-first, step))
	for ; from < last; from += p.chunk() {
		t.steps = min(p.chunk(), last-from) / step
		t.a = uintptr(unsafe.Pointer(&x[(r*side*p.pitch+from)/2]))
		t.b = uintptr(unsafe.Pointer(&dy[(c*p.band+from)/2*side]))
		p.tile(t)
	}
}

// store adds the splits up and puts the sums where the gradient has them.
func (p *tileGradW) store(w *gradWorker, dw, sums []float32, r, c int) {
	taps := p.taps()
	all := p.colTiles * p.rowTiles * taps * side * side
	at := (c*p.rowTiles + r) * taps * side * side
	total := sums[at:][:taps*side*side] // [tap][row][column]
	for s := 1; s < p.splits; s++ {
		vec.Add(total, total, sums[s*all+at:][:len(total)])
	}
	rows, cols := min(side, p.conv.C-r*side), min(side, p.conv.O-c*side)
	dw = dw[r*side*p.out.row+c*side*p.out.col:]
	for t := range taps {
		tile := total[t*side*side:][:side*side]
		if p.out.col == 1 {
			for i := range rows {
				copy(dw[i*p.out.row+t*p.out.tap:][:cols], tile[i*side:])
			}
			continue
		}
		turned := w.memory[:side*side]
		Transpose(turned, side, tile, side, rows, cols)
		for j := range cols {
			to := dw[j*p.out.col+t*p.out.tap:]
			for i, v := range turned[j*side:][:rows] {
				to[i*p.out.row] = v
			}
		}
	}
}
