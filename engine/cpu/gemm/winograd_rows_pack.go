package gemm

import "unsafe"

// packBlock is the memory for packing: a step of channels.
const packBlock = 9 * step * side

// panelLen is the length of a panel's filters of a pass, [ξ][high, low][row][step][half]
// [16 k pairs][16 columns].
func (p *winogradRows) panelLen() int { return 4 * 3 * p.part * side }

func (p *winogradRows) packing(workers int) packing {
	size := p.panelLen()
	return packing{
		key: key("winograd rows", p.weights, p.flipped, p.passes, p.part), weights: p.weights, cols: side, tasks: p.passes * p.panels, longest: size, workers: workers,
		memory:  packBlock,
		stretch: func(task int) (panel, at, n int) { return task % p.panels, task * size, size },
		fill: func(task, worker, n int, out, raw, block []float32) {
			p.packPanel(&p.workers[worker].filter, task/p.panels, n, out, raw, block[:packBlock])
		},
	}
}

// packPanel packs n columns for a pass, a step of channels at a time, through block
// [channel][tap][32 columns].
func (p *winogradRows) packPanel(f *filterPairsArgs, pass, n int, out, raw, block []float32) {
	*f = filterPairsArgs{tap: side * 4, xi: p.panelLen(), low: p.panelLen() / 2, count: step / 2}
	for from := 0; from < p.part; from += step {
		p.orderStep(p.weights, block, raw, n, pass*p.part+from)
		for ky := range 3 {
			first := 3 * ky
			if p.flipped {
				f.tap, first = -side*4, 8-first
			}
			f.src = &block[first*side]
			f.dst = unsafe.Pointer(&out[(ky*p.part+from)/2*side])
			p.filters(f)
		}
	}
}
