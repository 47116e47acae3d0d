package winorows

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
)

// rowsCut is how a convolution along rows is cut.
type rowsCut struct {
	across        int // pairs that a row of a picture has in a strip
	joined        int // pictures side by side in a strip
	strip, strips int // pairs in a row of a strip, and strips in a picture
	part, passes  int // channels of a pass, and passes
	blocks, most  int // of tiles of 32 pairs, and the most tiles of one
	groups        int // of panels, each of which lays out V for itself
	pitch, plane  int // bfloat16 from one pair, and from one ξ, to the next in V
}

const (
	winoRowsBytes    = 720 << 10 // of V, in the second-level cache beside the filters of two panels
	winoRowsMost     = 4         // steps of channels in a pass
	winoRowsJoined   = 3         // and where pictures are joined, so that more fit in one block
	winoRowsTiles    = 3         // of a block, at least, so that filters are not read too often
	winoRowsChannels = 96        // at least, of both sides: V serves the panels of all columns
	winoRowsResults  = 24 * 24   // of a picture, at least,
	winoRowsSmall    = 16 * 16   // and with no more than so many filters
	winoRowsFilters  = 2560 * 1280
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
// fill the rows, narrow strips the pairs, lines of 16 the strips or joined rows, vectors
// the channels.
func Takes(c plans.Conv) bool {
	oh, ow := c.OutSize()
	least, most := min(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight), max(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight)
	across, joined := stripOf(oh, ow/2)
	return c.KH == 3 && c.KW == 3 && c.Stride == 1 && least >= 0 && most <= 2 &&
		c.C%16 == 0 && ow > 0 && ow%2 == 0 && across <= plans.Line && oh*joined*across%plans.Line == 0
}

// stripOf is the width of the strips that a row of so many pairs is cut into, and the
// number of pictures that are joined in one: 1 if lines fill a strip of one picture.
func stripOf(oh, pairs int) (across, joined int) {
	across, joined = pairs, 1
	for n := plans.Line; n >= plans.Line/2; n-- {
		if pairs%n == 0 {
			across = n
			break
		}
	}
	if pairs > 0 && plans.Line%pairs == 0 && oh*pairs%plans.Line != 0 {
		joined = plans.Line / pairs
	}
	return across, joined
}

// cutChannels chooses the channels of a pass, equal shares of whole steps where there
// are such. It is the order of the sums, and may not follow the number of pictures.
func (p *winogradRows) cutChannels() {
	all := plans.CeilDiv(p.conv.C, kernels.Step)
	most := winoRowsMost
	if p.joined > 1 {
		most = winoRowsJoined
	}
	steps := min(most, all)
	for n := steps; n >= (steps+1)/2; n-- {
		if all%n == 0 {
			steps = n
			break
		}
	}
	p.part, p.passes = steps*kernels.Step, plans.CeilDiv(all, steps)
	p.pitch = 2*p.part | kernels.Step // an odd number of lines: see tilesPlan in package tiled
}

// cutFresh takes all in one block, so that filters may be packed where they are used, and
// tells whether that fits.
func (p *winogradRows) cutFresh() bool {
	p.blocks, p.most, p.groups = 1, plans.CeilDiv(p.lines(), 2), min(len(p.workers), p.panels)
	return 8*p.pitch*p.longest() <= winoRowsBytes
}

// cutBlocks chooses the blocks, as many for every worker where there are tiles enough,
// and divides panels between tasks where there are not.
func (p *winogradRows) cutBlocks() {
	workers, tiles := len(p.workers), plans.CeilDiv(p.lines(), 2)
	for most := max(winoRowsBytes/(8*p.pitch*kernels.Side), 1); ; most-- {
		p.blocks = plans.CeilDiv(tiles, most)
		p.blocks = max(p.blocks, min(plans.RoundUp(p.blocks, workers), tiles/winoRowsTiles))
		if most == 1 || 8*p.pitch*p.longest() <= winoRowsBytes {
			break
		}
	}
	p.most = plans.CeilDiv(tiles, p.blocks)
	p.groups = 1
	if p.blocks%workers > 0 {
		p.groups = min(plans.CeilDiv(tiled.TasksOfWorker*workers/2, p.blocks), p.panels)
	}
}

// lines of 16 pairs, in all strips of all pictures.
func (p *winogradRows) lines() int { return plans.CeilDiv(p.conv.N, p.joined) * p.strips * p.linesOf() }

// linesOf is the number of lines of a strip.
func (p *winogradRows) linesOf() int { return p.oh * p.strip / plans.Line }

// start is the first line of a block.
func (p *winogradRows) start(block int) int {
	return 2 * (block * plans.CeilDiv(p.lines(), 2) / p.blocks)
}

// piece is what a block has of a strip.
type piece struct {
	strip       int // of all pictures, or of those that are joined
	first, last int // lines of it
	top, rows   int // rows of V that they need
	at          int // pairs that lie before it
}

// pieceFrom is the piece that begins with a line, of a block that ends at a line.
func (p *winogradRows) pieceFrom(line0, end, at int) piece {
	each := p.linesOf()
	s := piece{strip: line0 / each, first: line0 % each, at: at}
	s.last = min(s.first+end-line0, each)
	s.top = s.first * plans.Line / p.strip
	s.rows = plans.CeilDiv(s.last*plans.Line, p.strip) - s.top + 2
	return s
}

// pieces calls do for each piece of a block, and returns the pairs of all.
func (p *winogradRows) pieces(block int, do func(s piece)) int {
	first, at := p.start(block), 0
	end := min(p.start(block+1), p.lines())
	for first < end {
		s := p.pieceFrom(first, end, at)
		do(s)
		at += s.rows * p.strip
		first += s.last - s.first
	}
	return at
}

// longest is the most pairs of a block.
func (p *winogradRows) longest() int {
	n := 0
	for block := range p.blocks {
		n = max(n, p.pieces(block, func(piece) {}))
	}
	return n
}

// The memory of a worker: V, the sums of a block, and the pixels of a row.
func (p *winogradRows) lengths() (v, m, row int) {
	return plans.RoundUp(4*p.plane/2, 16), p.most * 4 * kernels.Side * kernels.Side, (2*p.across + 2) * p.part
}

func (p *winogradRows) ownLen() int {
	v, m, row := p.lengths()
	if p.fresh {
		row += p.panelLen() + packBlock
	}
	return v + m + row
}

// place finds where the lines of a piece lie in V, and their results from base on.
func (p *winogradRows) place(w *winogradRowsWorker, base uintptr, s piece, line0 int) {
	for i := s.first; i < s.last; i++ {
		start := (s.at + i*plans.Line - s.top*p.strip) * p.pitch * 2
		p.setLine(w, line0, start)
		for j := range plans.Line {
			y, x := (i*plans.Line+j)/p.strip, (i*plans.Line+j)%p.strip
			picture := s.strip/p.strips*p.joined + x/p.across
			pixel := (picture*p.oh+y)*p.ow + 2*(s.strip%p.strips*p.across+x%p.across)
			at := 2 * (line0*plans.Line + j)
			w.rows[at], w.rows[at+1] = 0, 0
			if picture < p.conv.N {
				w.rows[at] = base + uintptr(pixel*p.conv.O*4)
				w.rows[at+1] = w.rows[at] + uintptr(p.conv.O*4)
			}
		}
		line0++
	}
}

// setLine puts a line that starts at a byte of V into its half of a tile of each ξ.
func (p *winogradRows) setLine(w *winogradRowsWorker, i, start int) {
	for xi := range 4 {
		at := i/2*4 + xi
		if i%2 == 0 {
			w.moves[at] = xi*p.plane*2 + start
			w.gaps[at] = -start
		} else {
			w.gaps[at] += start
		}
	}
}

// noLine fills the second half of the last tile.
func (p *winogradRows) noLine(w *winogradRowsWorker, i int) {
	for at := i / 2 * 4; at < i/2*4+4; at++ {
		w.gaps[at] = 0
	}
	clear(w.rows[2*i*plans.Line:][:2*plans.Line])
}
