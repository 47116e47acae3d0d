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
		weights: p.weights, cols: side, tasks: len(p.classes) * panels, longest: longest, workers: workers,
		stretch: func(task int) (panel, at, size int) {
			panel, s := task%panels, &p.sums[task/panels]
			return panel, s.start + panel*s.size, s.size
		},
		fill: func(task, worker, n int, out, raw []float32) {
			p.packPanel(&p.workers[worker], task/panels, n, wordsOf(out), raw)
		},
	}
}

// packPanel packs n columns for class k.
func (p *tilesPlan) packPanel(own *tilesWorker, k, n int, out []uint32, raw []float32) {
	w := p.weights
	size := p.parts() * p.chunk * side / 2
	for i, u := range p.sums[k].units {
		from := w.tap[p.classes[k].taps[u.tap]] + u.from*w.strideDepth
		p.packUnit(own, out[i*size:][:size], raw[from:], w, n, min(p.chunk, p.depth-u.from))
	}
}

// packUnit packs n columns of so many channels, a step at a time.
func (p *tilesPlan) packUnit(own *tilesWorker, out []uint32, raw []float32, w weights, n, channels int) {
	own.round = rowsArgs{ldd: side * 4, src: &own.weights[0], lds: side * 4, n: side, count: step / 2}
	if p.split {
		own.round.low = p.chunk / 2 * side * 4
	}
	for first := 0; first < channels; first += step {
		count := min(step, channels-first)
		if n < side || count < step {
			clear(own.weights[:])
		}
		for c := range n {
			from := c*w.strideCol + first*w.strideDepth
			for d := range count {
				own.weights[d*side+c] = raw[from]
				from += w.strideDepth
			}
		}
		own.round.dst = unsafe.Pointer(&out[first/2*side])
		p.rowPairs(&own.round)
	}
}
