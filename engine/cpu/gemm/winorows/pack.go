package winorows

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// packBlock is the memory for packing: a step of channels.
const packBlock = 9 * kernels.Step * kernels.Side

// panelLen is the length of a panel's filters of a K block, [ξ][high, low][row][step][half]
// [16 k pairs][16 columns].
func (p *winogradRows) panelLen() int { return 4 * 3 * p.channels * kernels.Side }

func (p *winogradRows) packing(workers int) plans.Packing {
	size := p.panelLen()
	return plans.Packing{
		Key: plans.Key("winograd rows", p.weights, p.flipped, p.kBlocks, p.channels), Weights: p.weights, Cols: kernels.Side, Tasks: p.kBlocks * p.panels, Longest: size, Workers: workers,
		Memory: packBlock,
		Range:  func(task int) (panel, at, n int) { return task % p.panels, task * size, size },
		Fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].filter, task/p.panels, n, out, raw, block[:packBlock])
		},
	}
}

// packPanel packs n columns for a K block, a step of channels at a time, through block
// [channel][tap][32 columns].
func (p *winogradRows) packPanel(f *kernels.FilterPairsArgs, kBlock, n int, out, raw, block []float32) {
	*f = kernels.FilterPairsArgs{Tap: kernels.Side * 4, Xi: p.panelLen(), Low: p.panelLen() / 2, Count: kernels.Step / 2}
	for from := 0; from < p.channels; from += kernels.Step {
		p.weights.OrderStep(&p.Tiles, block, raw, n, kBlock*p.channels+from)
		for ky := range 3 {
			first := 3 * ky
			if p.flipped {
				f.Tap, first = -kernels.Side*4, 8-first
			}
			f.Src = &block[first*kernels.Side]
			f.Dst = unsafe.Pointer(&out[(ky*p.channels+from)/2*kernels.Side])
			p.Filters(f)
		}
	}
}
