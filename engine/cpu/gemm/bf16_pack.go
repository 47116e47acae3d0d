package gemm

import "unsafe"

// packing orders the weights as [class][panel][unit][part][k pair][32 columns], a
// word holding two neighbouring k of a column.
func (p *tilesPlan) packing(workers int) packing {
	panels, longest := p.weights.panels(side), 0
	for _, s := range p.sums {
		longest = max(longest, s.size)
	}
	return packing{
		weights: p.weights, cols: side, tasks: len(p.classes) * panels, longest: longest, memory: step * side, workers: workers,
		stretch: func(task int) (panel, at, size int) {
			panel, s := task%panels, &p.sums[task/panels]
			return panel, s.start + panel*s.size, s.size
		},
		fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].round, task/panels, n, wordsOf(out), raw, block)
		},
	}
}

// packPanel packs n columns for class k.
func (p *tilesPlan) packPanel(round *rowsArgs, k, n int, out []uint32, raw, block []float32) {
	w := p.weights
	size := p.parts() * p.chunk * side / 2
	for i, u := range p.sums[k].units {
		from := w.tap[p.classes[k].taps[u.tap]] + u.from*w.strideDepth
		p.packUnit(round, out[i*size:][:size], raw[from:], block, n, min(p.chunk, p.depth-u.from))
	}
}

// packUnit packs n columns of so many channels, a step at a time, through block.
func (p *tilesPlan) packUnit(round *rowsArgs, out []uint32, raw, block []float32, n, channels int) {
	w := p.weights
	*round = rowsArgs{ldd: side * 4, src: &block[0], lds: side * 4, n: side, count: step / 2}
	if p.split {
		round.low = p.chunk / 2 * side * 4
	}
	for first := 0; first < channels; first += step {
		count := min(step, channels-first)
		if n < side || count < step {
			clear(block)
		}
		for c := range n {
			from := c*w.strideCol + first*w.strideDepth
			for d := range count {
				block[d*side+c] = raw[from]
				from += w.strideDepth
			}
		}
		round.dst = unsafe.Pointer(&out[first/2*side])
		p.rowPairs(round)
	}
}
