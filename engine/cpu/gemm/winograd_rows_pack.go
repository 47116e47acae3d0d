package gemm

import "unsafe"

// filterPairsArgs describes G g of F(2,3) for a row of 32 filters, of up to 16 pairs of
// neighbouring channels, as high and low parts: two tiles of 16 columns each.
type filterPairsArgs struct {
	src   *float32       // 0: the row's first tap, of [channel][9 taps][32]
	tap   int            // 8: bytes to its next
	dst   unsafe.Pointer // 16: the first pair's high parts of ξ = 0, pairs being 64 bytes apart
	xi    int            // 24: bytes from one ξ to the next
	low   int            // 32: bytes to the low parts
	count int            // 40: pairs
}

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
