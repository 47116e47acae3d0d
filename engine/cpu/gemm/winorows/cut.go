package winorows

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
)

// rowsCut is how a convolution along rows is cut.
type rowsCut struct {
	across            int // pairs of a row of one picture in a block of the width
	joined            int // pictures side by side in a row
	owBlock, owBlocks int // pairs of a row in a block of the width, and such blocks of a picture
	channels, kBlocks int // of a K block, and K blocks
	blocks, most      int // of tiles of 32 pairs, and the most tiles of one
	panelBlocks       int // of panels, for each of which V is laid out anew
	pitch, xiStride   int // bfloat16 from one pair, and from one ξ, to the next in V
}

const (
	winoRowsBytes        = 720 << 10 // of V, in the second-level cache beside the filters of two panels
	winoRowsKSteps       = 4         // steps of channels in a K block
	winoRowsJoinedKSteps = 3         // and where pictures are joined, so that more fit in one block
	winoRowsTiles        = 3         // of a block, at least, so that filters are not read too often
	winoRowsChannels     = 96        // at least, of both sides: V serves the panels of all columns
	winoRowsResults      = 24 * 24   // of a picture, at least,
	winoRowsSmall        = 16 * 16   // and with no more than so many filters
	winoRowsFilters      = 2560 * 1280
)

// Pays tells whether split products take Winograd's way. Its filters are
// 4/3 as large as the weights, in memory and to be read, so pictures must not be small
// unless many come together.
func Pays(c plans.Conv) bool {
	oh, ow := c.OutSize()
	results := oh * ow
	if c.Training {
		results *= plans.TrainingBatch
	}
	enough := results >= winoRowsResults || results >= winoRowsSmall && c.C*c.O <= winoRowsFilters
	return enough && Takes(c) && min(c.C, c.O) >= winoRowsChannels
}

// Takes tells whether a convolution can be computed so: pairs of results
// fill the rows, narrow blocks the width, half tiles the blocks or joined rows, vectors the
// channels.
func Takes(c plans.Conv) bool {
	oh, ow := c.OutSize()
	least, most := min(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight), max(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight)
	across, joined := owBlockOf(oh, ow/2)
	return c.KH == 3 && c.KW == 3 && c.Stride == 1 && least >= 0 && most <= 2 &&
		c.C%16 == 0 && ow > 0 && ow%2 == 0 && across <= plans.HalfTile && oh*joined*across%plans.HalfTile == 0
}

// owBlockOf is the width of the blocks that a row of so many pairs is cut into, and the
// number of pictures that are joined in one: 1 if half tiles fill that of one picture.
func owBlockOf(oh, pairs int) (across, joined int) {
	across, joined = pairs, 1
	for n := plans.HalfTile; n >= plans.HalfTile/2; n-- {
		if pairs%n == 0 {
			across = n
			break
		}
	}
	if pairs > 0 && plans.HalfTile%pairs == 0 && oh*pairs%plans.HalfTile != 0 {
		joined = plans.HalfTile / pairs
	}
	return across, joined
}

// cutChannels chooses the channels of a K block, equal shares of whole steps where there
// are such. It is the order of the sums, and may not follow the number of pictures.
func (p *winogradRows) cutChannels() {
	all := plans.CeilDiv(p.conv.C, kernels.Step)
	most := winoRowsKSteps
	if p.joined > 1 {
		most = winoRowsJoinedKSteps
	}
	steps := min(most, all)
	for n := steps; n >= (steps+1)/2; n-- {
		if all%n == 0 {
			steps = n
			break
		}
	}
	p.channels, p.kBlocks = steps*kernels.Step, plans.CeilDiv(all, steps)
	p.pitch = 2*p.channels | kernels.Step // an odd number of cache lines: see tilesPlan in package tiled
}

// cutFresh takes all in one block, so that filters may be packed where they are used, and
// tells whether that fits.
func (p *winogradRows) cutFresh() bool {
	p.blocks, p.most, p.panelBlocks = 1, plans.CeilDiv(p.halves(), 2), min(len(p.workers), p.panels)
	return 8*p.pitch*p.longest() <= winoRowsBytes
}

// cutBlocks chooses the blocks, as many for every worker where there are tiles enough,
// and divides panels between tasks where there are not.
func (p *winogradRows) cutBlocks() {
	workers, tiles := len(p.workers), plans.CeilDiv(p.halves(), 2)
	for most := max(winoRowsBytes/(8*p.pitch*kernels.Side), 1); ; most-- {
		p.blocks = plans.CeilDiv(tiles, most)
		p.blocks = max(p.blocks, min(plans.RoundUp(p.blocks, workers), tiles/winoRowsTiles))
		if most == 1 || 8*p.pitch*p.longest() <= winoRowsBytes {
			break
		}
	}
	p.most = plans.CeilDiv(tiles, p.blocks)
	p.panelBlocks = 1
	if p.blocks%workers > 0 {
		p.panelBlocks = min(plans.CeilDiv(tiled.TasksOfWorker*workers/2, p.blocks), p.panels)
	}
}

// halves are the half tiles of 16 pairs, in all blocks of the width of all pictures.
func (p *winogradRows) halves() int {
	return plans.CeilDiv(p.conv.N, p.joined) * p.owBlocks * p.halvesOf()
}

// halvesOf is the number of half tiles of a block of the width.
func (p *winogradRows) halvesOf() int { return p.oh * p.owBlock / plans.HalfTile }

// start is the first half tile of a block.
func (p *winogradRows) start(block int) int {
	return 2 * (block * plans.CeilDiv(p.halves(), 2) / p.blocks)
}

// span is what a block has of a block of the width.
type span struct {
	owBlock     int // of all pictures, or of those that are joined
	first, last int // half tiles of it
	top, rows   int // rows of V that they need
	at          int // pairs that lie before it
}

// spanFrom is the span that begins with a half tile, of a block that ends at another.
func (p *winogradRows) spanFrom(half0, end, at int) span {
	each := p.halvesOf()
	s := span{owBlock: half0 / each, first: half0 % each, at: at}
	s.last = min(s.first+end-half0, each)
	s.top = s.first * plans.HalfTile / p.owBlock
	s.rows = plans.CeilDiv(s.last*plans.HalfTile, p.owBlock) - s.top + 2
	return s
}

// spans calls do for each span of a block, and returns the pairs of all.
func (p *winogradRows) spans(block int, do func(s span)) int {
	first, at := p.start(block), 0
	end := min(p.start(block+1), p.halves())
	for first < end {
		s := p.spanFrom(first, end, at)
		do(s)
		at += s.rows * p.owBlock
		first += s.last - s.first
	}
	return at
}

// longest is the most pairs of a block.
func (p *winogradRows) longest() int {
	n := 0
	for block := range p.blocks {
		n = max(n, p.spans(block, func(span) {}))
	}
	return n
}

// The memory of a worker: V, the sums of a block, and the pixels of a row.
func (p *winogradRows) lengths() (v, m, row int) {
	return plans.RoundUp(4*p.xiStride/2, 16), p.most * 4 * kernels.Side * kernels.Side, (2*p.across + 2) * p.channels
}

func (p *winogradRows) ownLen() int {
	v, m, row := p.lengths()
	if p.fresh {
		row += p.panelLen() + packBlock
	}
	return v + m + row
}

// findHalves finds where the half tiles of a span lie in V, and their results from base on.
func (p *winogradRows) findHalves(w *winogradRowsWorker, base uintptr, s span, half0 int) {
	for i := s.first; i < s.last; i++ {
		start := (s.at + i*plans.HalfTile - s.top*p.owBlock) * p.pitch * 2
		p.setHalf(w, half0, start)
		for j := range plans.HalfTile {
			y, x := (i*plans.HalfTile+j)/p.owBlock, (i*plans.HalfTile+j)%p.owBlock
			picture := s.owBlock/p.owBlocks*p.joined + x/p.across
			pixel := (picture*p.oh+y)*p.ow + 2*(s.owBlock%p.owBlocks*p.across+x%p.across)
			at := 2 * (half0*plans.HalfTile + j)
			w.rows[at], w.rows[at+1] = 0, 0
			if picture < p.conv.N {
				w.rows[at] = base + uintptr(pixel*p.conv.O*4)
				w.rows[at+1] = w.rows[at] + uintptr(p.conv.O*4)
			}
		}
		half0++
	}
}

// setHalf puts what starts at a byte of V into its half of a tile of each ξ.
func (p *winogradRows) setHalf(w *winogradRowsWorker, i, start int) {
	for xi := range 4 {
		at := i/2*4 + xi
		if i%2 == 0 {
			w.moves[at] = xi*p.xiStride*2 + start
			w.gaps[at] = -start
		} else {
			w.gaps[at] += start
		}
	}
}

// noHalf fills the second half of the last tile.
func (p *winogradRows) noHalf(w *winogradRowsWorker, i int) {
	for at := i / 2 * 4; at < i/2*4+4; at++ {
		w.gaps[at] = 0
	}
	clear(w.rows[2*i*plans.HalfTile:][:2*plans.HalfTile])
}
