package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
)

// packing orders the weights as [class][panel][unit][part][k pair][32 columns], a
// word holding two neighbouring k of a column; split ones for each step as two tiles
// [16 k pairs][16 columns]: there are many to load, and one piece is loaded faster.
func (p *tilesPlan) packing(workers int) packing {
	panels, longest := p.weights.panels(kernels.Side), 0
	for _, s := range p.sums {
		longest = max(longest, s.size)
	}
	return packing{
		key: p.layout(), weights: p.weights, cols: kernels.Side, tasks: len(p.classes) * panels, longest: longest, memory: kernels.Step * p.weights.taps * kernels.Side, workers: workers,
		stretch: func(task int) (panel, at, size int) {
			panel, s := task%panels, &p.sums[task/panels]
			return panel, s.start + panel*s.size, s.size
		},
		fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].round, task/panels, n, kernels.WordsOf(out), raw, block)
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
func (p *tilesPlan) packPanel(round *kernels.RowsArgs, k, n int, out []uint32, raw, block []float32) {
	size := p.parts() * p.chunk * kernels.Side / 2
	*round = kernels.RowsArgs{Ldd: kernels.Side * 4, Lds: p.weights.taps * kernels.Side * 4, N: kernels.Side, Count: kernels.Step / 2}
	if p.split {
		round.Low = p.chunk / 2 * kernels.Side * 4
		round.Ldd, round.Skip = 64, kernels.TileWords*4-64
	}
	for from := 0; from < p.depth; from += kernels.Step {
		p.weights.orderStep(&p.Tiles, block, raw, n, from)
		for i, u := range p.sums[k].units {
			if u.from <= from && from < u.from+p.chunk {
				round.Src = &block[p.classes[k].taps[u.tap]*kernels.Side]
				round.Dst = unsafe.Pointer(&out[i*size+(from-u.from)/2*kernels.Side])
				p.RowPairs(round)
			}
		}
	}
}

// orderStep orders the channels of a step from one on, of n columns, as block
// [channel][tap][32 columns], zero where there are none, and fetches those that follow.
func (w weights) orderStep(t *kernels.Tiles, block, raw []float32, n, from int) {
	count := max(min(kernels.Step, w.depth-from), 0)
	if n < kernels.Side || count < kernels.Step {
		clear(block)
	}
	if next := from + kernels.Step; next < w.depth {
		first, distance, pieces, length := w.pieces(n, next, min(kernels.Step, w.depth-next))
		t.Prefetch(&raw[first], distance*4, ceilDiv(length, 16), pieces)
	}
	if count > 0 {
		w.order(block, kernels.Side, w.taps*kernels.Side, raw, n, from, count)
	}
}
