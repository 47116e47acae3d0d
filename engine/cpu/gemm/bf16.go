package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
)

// tilesPlan computes a product with bfloat16 tiles of 32 positions x 32 columns.
//
// In float32 (split) every number is the sum of two bfloat16, high and low, and
// three of their four products are summed: the rows hold [high, high, low] side
// by side, the weights [high, low, high], so that one longer sum does it. What is
// left out is about 4e-6 of the largest result.
type tilesPlan struct {
	tiles
	product
	cols, panels int
	part         int // channels rounded up to whole steps
	lanes        int // of all parts of a row
	split        bool
	blockTiles   int // tiles of 32 positions in a task
	groupPanels  int // panels in a task
	classStart   []int
	workers      []tilesWorker
}

type tilesWorker struct {
	tile    tileArgs
	put     putArgs
	acc     [side * side]float32
	bias    [side]float32
	rows    []uintptr
	offsets []int
}

func planTiles(pr product, w weights, workers int, t tiles, split bool) *Plan {
	p := &tilesPlan{tiles: t, product: pr, cols: w.cols, panels: ceilDiv(w.cols, side), part: roundUp(pr.depth, step), split: split}
	p.lanes = p.part
	if split {
		p.lanes = 3 * p.part
	}
	count := ceilDiv(pr.positions(), side)
	p.blockTiles = max(min(16, ceilDiv(count, 4)), 1)
	p.groupPanels = p.panels
	for ceilDiv(count, p.blockTiles)*ceilDiv(p.panels, p.groupPanels) < 8 && p.groupPanels > 1 {
		p.groupPanels = ceilDiv(p.groupPanels, 2)
	}
	packed := 0
	most := 1
	for _, k := range pr.classes {
		p.classStart = append(p.classStart, packed)
		packed += p.panels * len(k.taps) * p.lanes * side / 2
		most = max(most, len(k.taps))
	}
	p.workers = make([]tilesWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].rows = make([]uintptr, p.blockTiles*side)
		p.workers[i].offsets = make([]int, most)
	}
	return &Plan{
		Algorithm:  t.name + p.kind() + " tiles 32x32",
		PackedLen:  packed,
		ScratchLen: (p.planes*pr.positions() + pr.slack + side) * p.lanes / 2,
		pack:       func(dst, raw []float32) []par.Phase { return p.pack(dst, raw, w) },
		bind:       p.bind,
	}
}

func (p *tilesPlan) kind() string {
	if p.split {
		return " split f32"
	}
	return " bf16"
}

// pack orders the weights as [class][panel][tap][k pair][32 columns], a word
// holding two neighbouring k of a column; split, as [tap][part][k pair] ….
func (p *tilesPlan) pack(dst, raw []float32, w weights) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst))
	return []par.Phase{{Name: "pack", Tasks: len(p.classes) * p.panels, Run: func(task, _ int) {
		k, panel := task/p.panels, task%p.panels
		taps := p.classes[k].taps
		size := len(taps) * p.lanes * side / 2
		out := words[p.classStart[k]+panel*size:][:size]
		clear(out)
		n := min(side, p.cols-panel*side)
		for i, tap := range taps {
			block := out[i*p.lanes*side/2:]
			for c := range n {
				from := w.tap[tap] + (panel*side+c)*w.strideCol
				for d := 0; d < p.depth; d += 2 {
					even, odd := raw[from+d*w.strideDepth], float32(0)
					if d+1 < p.depth {
						odd = raw[from+(d+1)*w.strideDepth]
					}
					word := pairBits(even, odd)
					block[d/2*side+c] = word
					if p.split {
						block[(p.part+d)/2*side+c] = pairBits(lowPart(even), lowPart(odd))
						block[(2*p.part+d)/2*side+c] = word
					}
				}
			}
		}
	}}}
}

func (p *tilesPlan) bind(a Args) []par.Phase {
	phases := []par.Phase{p.layOut(a.X, a.Scratch)}
	count := ceilDiv(p.positions(), side)
	blocks, groups := ceilDiv(count, p.blockTiles), ceilDiv(p.panels, p.groupPanels)
	for k := range p.classes {
		if len(p.classes[k].taps) == 0 {
			phases = append(phases, p.noTaps(a, k))
			continue
		}
		phases = append(phases, par.Phase{Name: "tiles", Tasks: blocks * groups, Run: func(task, worker int) {
			first, panel := task/groups*p.blockTiles, task%groups*p.groupPanels
			p.block(&a, &p.workers[worker], k, first, min(first+p.blockTiles, count), panel, min(panel+p.groupPanels, p.panels))
		}})
	}
	return phases
}

// layOut copies a picture to the grid as bfloat16 [plane][position][lanes].
func (p *tilesPlan) layOut(x, scratch []float32) par.Phase {
	buffer := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(scratch))), 2*len(scratch))
	rows := p.planes * p.n * p.hp
	block := max(1<<14/(p.wp*p.lanes), 1)
	return par.Phase{Name: "lay out", Tasks: ceilDiv(rows, block), Run: func(task, _ int) {
		if task == 0 { // zeros below the last picture
			clear(buffer[rows*p.wp*p.lanes:][:(p.slack+side)*p.lanes])
		}
		for r := task * block; r < min((task+1)*block, rows); r++ {
			p.layOutRow(x, buffer[r*p.wp*p.lanes:][:p.wp*p.lanes], r)
		}
	}}
}

// layOutRow fills row r, counted over planes and pictures, of the grid.
func (p *tilesPlan) layOutRow(x []float32, row []uint16, r int) {
	plane, n, y := r/(p.n*p.hp), r/p.hp%p.n, r%p.hp
	iy := y*p.stride + plane/p.stride - p.top
	if uint(iy) >= uint(p.h) {
		clear(row)
		return
	}
	width := p.w / p.up
	src := x[(n*(p.h/p.up)+iy/p.up)*width*p.depth:][:width*p.depth]
	if p.stride == 1 && p.lanes == p.depth && p.up == 1 { // never split // the whole row at once
		count := min(p.w, p.wp-p.left)
		clear(row[:p.left*p.lanes])
		p.row(&row[p.left*p.lanes], &src[0], count*p.depth)
		clear(row[(p.left+count)*p.lanes:])
		return
	}
	for i := range p.wp {
		pixel := row[i*p.lanes:][:p.lanes]
		ix := i*p.stride + plane%p.stride - p.left
		if uint(ix) >= uint(p.w) {
			clear(pixel)
			continue
		}
		p.layOutPixel(pixel, src[ix/p.up*p.depth:])
	}
}

// layOutPixel fills the lanes of one pixel.
func (p *tilesPlan) layOutPixel(pixel []uint16, src []float32) {
	clear(pixel[p.depth:])
	p.row(&pixel[0], &src[0], p.depth)
	if p.split {
		copy(pixel[p.part:], pixel[:p.depth])
		p.rowLow(&pixel[2*p.part], &src[0], p.depth)
	}
}

// block computes tiles first … last-1 of panels from … to-1 of class k.
func (p *tilesPlan) block(a *Args, w *tilesWorker, k, first, last, from, to int) {
	cl := &p.classes[k]
	taps, lda := len(cl.taps), p.lanes*2
	for i, offset := range cl.offsets {
		w.offsets[i] = offset * lda
	}
	base := addressOf(a.Y)
	any := false
	for i := range (last - first) * side {
		w.rows[i] = 0
		if r := p.result(k, first*side+i); r >= 0 {
			w.rows[i] = base + uintptr((r*p.cols+from*side)*4)
			any = true
		}
	}
	if !any {
		return
	}
	size := taps * p.lanes * side / 2
	w.put = putArgs{acc: &w.acc[0], count: side, bias: &w.bias[0]}
	if a.Add != nil {
		w.put.add, w.put.delta = 1, addressOf(a.Add)-base
	}
	for panel := from; panel < to; panel++ {
		n := min(side, p.cols-panel*side)
		clear(w.bias[:])
		if a.Bias != nil {
			copy(w.bias[:n], a.Bias[panel*side:])
		}
		w.put.mask = lowMask(n)
		w.tile = tileArgs{
			lda: lda, offsets: &w.offsets[0], taps: taps, steps: p.lanes / step,
			b: addressOf(a.W[p.classStart[k]+panel*size:]), ldb: 128, second: 64, next: 2048,
			acc: &w.acc[0],
		}
		for t := first; t < last; t++ {
			rows := w.rows[(t-first)*side:][:side]
			w.tile.a = addressOf(a.Scratch) + uintptr(t*side*lda)
			p.tile(&w.tile)
			w.put.rows = &rows[0]
			p.put(&w.put)
		}
		for i := range w.rows { // the next panel's columns
			if w.rows[i] != 0 {
				w.rows[i] += side * 4
			}
		}
	}
}

// noTaps fills results that no tap reaches (a stride larger than the kernel).
func (p *tilesPlan) noTaps(a Args, k int) par.Phase {
	return par.Serial("no taps", func() {
		for at := range p.positions() {
			r := p.result(k, at)
			if r < 0 {
				continue
			}
			for c := range p.cols {
				var v float32
				if a.Bias != nil {
					v = a.Bias[c]
				}
				if a.Add != nil {
					v += a.Add[r*p.cols+c]
				}
				a.Y[r*p.cols+c] = v
			}
		}
	})
}
