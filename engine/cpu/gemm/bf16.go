package gemm

import "unsafe"

// tilesPlan computes a product with bfloat16 tiles of 32 positions x 32 columns.
//
// In float32 (split) every number is the sum of two bfloat16, high and low, and
// three of their four products are summed: high·high, high·low and low·high. What
// is left out is about 4e-6 of the largest result, and up to 2e-5 for few terms.
//
// The positions are taken in bands. Of each band a copy as bfloat16 is laid out,
// with the positions behind it that its taps reach, and then multiplied: the copy
// is small however large the picture, and still in the caches. A result is summed
// within one band, so where the bands begin changes no bit.
//
// The order of a result's sum is chosen for AMX, where a step of 32x32x32 takes 64
// cycles, and each of its four tiles 8 from the first-level cache or 21 from the
// second. The weights of a panel (32 columns) are larger than the first level, and
// take 42 cycles a step. The rows of a need not: the taps of one row of the kernel
// see all but the same pixels, so these follow one another for some channels at a
// time, few enough that those pixels stay in the first level; of a 3x3 kernel two
// taps of three then take 16 cycles a step in place of 42, and the loads (67) just
// about keep up with the products. Weights held in the first level instead would
// save the other 26, but the sums would have to be stored and loaded (128 cycles)
// every ten steps, which costs as much. Parts of 128 steps serve another end: a
// block's rows, a part's weights and those fetched for the next part fit into the
// second level together, and a call stays short.
type tilesPlan struct {
	tiles
	product
	tilesCut
	split        bool
	weights      weights
	cols, panels int // of the result
	part         int // channels rounded up to whole steps
	chunk        int // channels that the taps of a row go over together
	pitch        int // bfloat16 from one position to the next
	sums         []tileSum
	moves        []int // from a block's first tile to each of its rows of a, bytes
	workers      []tilesWorker
}

// tileSum is the order of the sums of one class.
type tileSum struct {
	start   int    // of its packed weights, words
	size    int    // of a panel of them
	units   []unit // stretches of the weights, high and low parts
	offsets []int  // of each unit's rows of a, bytes
	places  []int  // of each unit's weights in the panel, bytes
}

// unit is a chunk of one tap.
type unit struct{ tap, from int }

type tilesWorker struct {
	tile   tileArgs
	put    putArgs
	bias   [side]float32
	rows   []uintptr
	halves []uintptr // rows of values or gates
	round  rowsArgs
}

const (
	chunkSteps = 10  // of 2 KB of a and as much of b each, in the first-level cache
	partSteps  = 128 // whose weights are 256 KB

	storesAhead = 8 // addresses behind a block's last that may be fetched
)

func planTiles(pr product, w weights, workers int, t tiles, split bool) *Plan {
	return planTilesIn(bandBytes*min(max(workers, 1), bandWorkers), pr, w, workers, t, split)
}

// planTilesIn plans with so much memory for the copy of a band, if that will do.
func planTilesIn(bytes int, pr product, w weights, workers int, t tiles, split bool) *Plan {
	p := &tilesPlan{tiles: t, product: pr, split: split, weights: w, cols: w.results(), panels: ceilDiv(w.results(), side), part: roundUp(pr.depth, step)}
	p.chunk = chunkSteps / p.parts() * step
	for p.part%p.chunk != 0 {
		p.chunk -= step
	}
	p.pitch = p.parts() * p.part
	if p.pitch*2%1024 == 0 { // rows would meet in few places of the first-level cache
		p.pitch += step
	}
	p.workers = make([]tilesWorker, max(workers, 1))
	p.tilesCut = cutTiles(&pr, bytes, p.pitch, p.panels, len(p.workers))
	packed := 0
	for k := range pr.classes {
		p.sums = append(p.sums, p.order(&pr.classes[k], packed))
		packed += w.panels(side) * p.sums[k].size
	}
	for i := range p.blockTiles {
		p.moves = append(p.moves, i*side*p.pitch*2)
	}
	for i := range p.workers {
		p.workers[i].rows = make([]uintptr, p.blockTiles*side+storesAhead)
		if w.gated {
			p.workers[i].halves = make([]uintptr, p.blockTiles*side+storesAhead)
		}
	}
	return &Plan{
		Algorithm:  t.name + kindOf(split) + " tiles 32x32" + w.also() + pr.before(),
		PackedLen:  packed,
		ScratchLen: p.copies()*p.bandLen() + len(p.workers)*p.accLen(),
		packing:    p.packing(workers),
		bind:       p.bind,
	}
}

func kindOf(split bool) string {
	if split {
		return " split f32"
	}
	return " bf16"
}

// accLen is the memory for the sums of a block, with gates for those too.
func (p *tilesPlan) accLen() int {
	n := p.blockTiles * side * side
	if p.weights.gated {
		return 2 * n
	}
	return n
}

// copies is the number of copies of bands.
func (p *tilesPlan) copies() int {
	if p.stripe > 0 {
		return len(p.workers)
	}
	return 1
}

// parts is the number of bfloat16 that a number is the sum of.
func (p *tilesPlan) parts() int {
	if p.split {
		return 2
	}
	return 1
}

// order lists the units of a class, and where each has its operands.
func (p *tilesPlan) order(k *class, start int) tileSum {
	s := tileSum{start: start, size: len(k.taps) * p.parts() * p.part * side / 2}
	for first := 0; first < len(k.taps); {
		last := first + 1
		for last < len(k.taps) && k.places[last].besides(k.places[last-1]) {
			last++
		}
		for from := 0; from < p.part; from += p.chunk {
			for tap := first; tap < last; tap++ {
				s.units = append(s.units, unit{tap, from})
			}
		}
		first = last
	}
	for i, u := range s.units {
		at := k.places[u.tap]
		s.offsets = append(s.offsets, ((at.plane*p.bandRows()+at.shift)*p.pitch+u.from)*2)
		s.places = append(s.places, i*p.parts()*p.chunk*side*2)
	}
	return s
}

// besides tells whether two taps see neighbouring pixels.
func (a place) besides(b place) bool {
	return a.plane == b.plane && (a.shift-b.shift == 1 || b.shift-a.shift == 1)
}

// block computes tiles first … last-1 of a band, of panels from … to-1 of class k, from
// the band's copy; acc is memory for their sums.
func (p *tilesPlan) block(a *Args, w *tilesWorker, copied []uint16, acc []float32, band, k, first, last, from, to int) {
	if len(p.classes[k].taps) == 0 {
		return
	}
	base, size := addressOf(a.Y), 4 // bytes of a number
	if p.halfY {
		base, size = uintptr(unsafe.Pointer(&a.YHalf[0])), 2
	}
	rows := w.rows[:(last-first)*side]
	if !p.fillRows(rows, base+uintptr(from*side*size), p.cols*size, k, band*p.band+first*side) {
		return
	}
	w.put = putArgs{acc: &acc[0], rows: &rows[0], count: len(rows), bias: &w.bias[0]}
	if a.Add != nil {
		w.put.add, w.put.delta = 1, addressOf(a.Add)-base
	}
	w.tile = tileArgs{
		a: uintptr(unsafe.Pointer(&copied[first*side*p.pitch])), lda: p.pitch * 2, steps: p.chunk / step,
		ldb: 128, second: 64, next: 2048, acc: &acc[0], moves: &p.moves[0], count: last - first,
	}
	if p.split {
		w.tile.lowA, w.tile.lowB = p.part*2, p.chunk*side*2
	}
	for panel := from; panel < to; panel++ {
		if p.weights.gated {
			p.gate(a, w, acc, k, panel, rows)
		} else {
			p.panel(a, w, k, panel, to)
		}
		for i := range rows { // the next panel's columns
			if rows[i] != 0 {
				rows[i] += uintptr(side * size)
			}
		}
	}
}

// panel computes the tiles of a block for one packed panel, of those that end before
// panel to.
func (p *tilesPlan) panel(a *Args, w *tilesWorker, k, panel, to int) {
	s := &p.sums[k]
	from, n := p.weights.columns(panel, side)
	clear(w.bias[:])
	if a.Bias != nil {
		copy(w.bias[:n], a.Bias[from:])
	}
	w.put.mask = lowMask(n)
	weights := a.W[s.start:][panel*s.size : to*s.size]
	w.tile.b = addressOf(weights)
	p.sum(&w.tile, s, w.tile.b+uintptr(len(weights)*4), &w.put)
}

// sum adds up all parts of the sums of a block, for the panel at t.b, and stores them;
// end is where the panels end.
func (p *tilesPlan) sum(t *tileArgs, s *tileSum, end uintptr, put *putArgs) {
	units := max(partSteps/(p.chunk/step*p.parts()), 1)
	bytes := uintptr(s.size * 4 / len(s.units))
	t.resume, t.put = 0, nil
	for u := 0; u < len(s.units); u += units {
		n := min(units, len(s.units)-u)
		t.offsets, t.places, t.taps = &s.offsets[u], &s.places[u], n
		t.fetch = t.b + uintptr(u+n)*bytes
		t.fetchEnd = min(t.fetch+uintptr(units)*bytes, end)
		if u+n == len(s.units) {
			t.put, t.rate = put, 8*storesOf(t.taps*t.steps)
		}
		p.tile(t)
		t.resume = 1
	}
}

// storesOf is how many rows of a tile are to be stored in each of so many steps.
func storesOf(steps int) int {
	n := 1
	for n*steps < side {
		n *= 2
	}
	return n
}

// fillRows finds where the results from a position on go, distance bytes from one to the
// next and 0 for those that are none, and tells whether there is any.
func (p *tilesPlan) fillRows(rows []uintptr, base uintptr, distance, k, position int) bool {
	any := false
	for i := 0; i < len(rows); {
		r, n := p.result(k, position+i)
		n = min(n, len(rows)-i)
		if r < 0 {
			clear(rows[i : i+n])
		} else {
			any = true
			for j := range n {
				rows[i+j] = base + uintptr((r+j*p.every)*distance)
			}
		}
		i += n
	}
	return any
}
