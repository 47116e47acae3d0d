package gemm

import "unsafe"

// packing orders the weights as [class][panel][unit][part][k pair][32 columns], a
// word holding two neighbouring k of a column; split ones for each step as two tiles
// [16 k pairs][16 columns]: there are many to load, and one piece is loaded faster.
func (p *tilesPlan) packing(workers int) packing {
	panels, longest := p.weights.panels(side), 0
	for _, s := range p.sums {
		longest = max(longest, s.size)
	}
	return packing{
		key: p.layout(), weights: p.weights, cols: side, tasks: len(p.classes) * panels, longest: longest, memory: step * p.weights.taps * side, workers: workers,
		stretch: func(task int) (panel, at, size int) {
			panel, s := task%panels, &p.sums[task/panels]
			return panel, s.start + panel*s.size, s.size
		},
		fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].round, task/panels, n, wordsOf(out), raw, block)
		},
	}
}

// layout is all that the order of the weights depends on.
func (p *tilesPlan) layout() string {
	parts := []any{p.weights, p.split, p.part, p.chunk}
	for k, s := range p.sums {
		parts = append(parts, p.classes[k].taps, s.start, s.size, s.units)
	}
	return key("tiles", parts...)
}

// packPanel packs n columns for class k, some channels of all taps at a time, through
// block [channel][tap][32 columns].
func (p *tilesPlan) packPanel(round *rowsArgs, k, n int, out []uint32, raw, block []float32) {
	size := p.parts() * p.chunk * side / 2
	*round = rowsArgs{ldd: side * 4, lds: p.weights.taps * side * 4, n: side, count: step / 2}
	if p.split {
		round.low = p.chunk / 2 * side * 4
		round.ldd, round.skip = 64, tileWords*4-64
	}
	for from := 0; from < p.depth; from += step {
		p.orderStep(p.weights, block, raw, n, from)
		for i, u := range p.sums[k].units {
			if u.from <= from && from < u.from+p.chunk {
				round.src = &block[p.classes[k].taps[u.tap]*side]
				round.dst = unsafe.Pointer(&out[i*size+(from-u.from)/2*side])
				p.rowPairs(round)
			}
		}
	}
}

// orderStep orders the channels of a step from one on, of n columns, as block
// [channel][tap][32 columns], zero where there are none, and fetches those that follow.
func (t *tiles) orderStep(w weights, block, raw []float32, n, from int) {
	count := max(min(step, w.depth-from), 0)
	if n < side || count < step {
		clear(block)
	}
	if next := from + step; next < w.depth {
		first, distance, pieces, length := w.pieces(n, next, min(step, w.depth-next))
		t.prefetch(&raw[first], distance*4, ceilDiv(length, 16), pieces)
	}
	if count > 0 {
		w.order(block, side, w.taps*side, raw, n, from, count)
	}
}
