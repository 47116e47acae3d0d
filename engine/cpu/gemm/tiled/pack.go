package tiled

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// packing orders the weights as [class][panel][K block][high, low][k pair][32 columns], a
// word holding two neighbouring k of a column; split ones for each step as two tiles
// [16 k pairs][16 columns]: there are many to load, and what lies side by side is loaded faster.
func (p *tilesPlan) packing(workers int) plans.Packing {
	panels, longest := p.weights.Panels(kernels.Side), 0
	for _, s := range p.sums {
		longest = max(longest, s.size)
	}
	return plans.Packing{
		Key: p.layout(), Weights: p.weights, Cols: kernels.Side, Tasks: len(p.Classes) * panels, Longest: longest, Memory: kernels.Step * p.weights.Taps * kernels.Side, Workers: workers,
		Range: func(task int) (panel, at, size int) {
			panel, s := task%panels, &p.sums[task/panels]
			return panel, s.start + panel*s.size, s.size
		},
		Fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].round, task/panels, n, kernels.WordsOf(out), raw, block)
		},
	}
}

// layout is all that the order of the weights depends on.
func (p *tilesPlan) layout() string {
	parts := []any{p.weights, p.split, p.channels, p.kChannels}
	for k, s := range p.sums {
		parts = append(parts, p.Classes[k].Taps, s.start, s.size, s.kBlocks)
	}
	return plans.Key("tiles", parts...)
}

// packPanel packs n columns for class k, some channels of all taps at a time, through
// block [channel][tap][32 columns].
func (p *tilesPlan) packPanel(round *kernels.RowsArgs, k, n int, out []uint32, raw, block []float32) {
	size := p.parts() * p.kChannels * kernels.Side / 2
	*round = kernels.RowsArgs{Ldd: kernels.Side * 4, Lds: p.weights.Taps * kernels.Side * 4, N: kernels.Side, Count: kernels.Step / 2}
	if p.split {
		round.Low = p.kChannels / 2 * kernels.Side * 4
		round.Ldd, round.Skip = 64, kernels.TileWords*4-64
	}
	for from := 0; from < p.Depth; from += kernels.Step {
		p.weights.OrderStep(&p.Tiles, block, raw, n, from)
		for i, kb := range p.sums[k].kBlocks {
			if kb.from <= from && from < kb.from+p.kChannels {
				round.Src = &block[p.Classes[k].Taps[kb.tap]*kernels.Side]
				round.Dst = unsafe.Pointer(&out[i*size+(from-kb.from)/2*kernels.Side])
				p.RowPairs(round)
			}
		}
	}
}
