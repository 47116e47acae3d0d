package tiled

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// positionsAhead is the number of positions that are laid out while those behind them are
// fetched.
const positionsAhead = kernels.Step

// layOutX fills the panels of x, from one on, with n positions and those behind them
// that taps reach.
func (p *tileGradW) layOutX(w *gradWorker, x []float32, dst []uint32, firstCol, position, n int) {
	panels := min(p.Wide, p.ColTiles-firstCol)
	o := operand{data: x, from: firstCol * kernels.Side, depth: p.conv.C, stride: p.Stride}
	n += plans.RoundUp(p.Slack, kernels.Step)
	for o.residue = range p.Residues {
		p.fetch(&o, position, panels*kernels.Side)
		for at := 0; at < n; at += positionsAhead {
			if at+positionsAhead < n {
				p.fetch(&o, position+at+positionsAhead, panels*kernels.Side)
			}
			for copy := range p.copies {
				w.pairs = kernels.PanelPairs{Ldd: kernels.Side * 4, Panel: p.offset(1, 0, 0, 0) * 4, Low: p.low(p.wordsX()), N: min(panels*kernels.Side, o.depth-o.from)}
				p.pairsOf(w, o, dst[p.offset(0, copy, o.residue, at):], position+at+copy, positionsAhead/2)
			}
		}
	}
}

// low is the distance of low parts in bytes, if there are such.
func (p *tileGradW) low(words int) int {
	if p.split {
		return words * 4
	}
	return 0
}

// rangeOf is where the pixels of n positions of an operand lie, from one on.
func (p *tileGradW) rangeOf(o *operand, position, n int) plans.Range {
	first, last := -1, 0
	for end := position + n; position < end; {
		at, n := p.runOf(o, position)
		n = min(n, end-position)
		if at >= 0 {
			if first < 0 {
				first = at
			}
			last = at + (n-1)*p.Stride*o.depth + o.depth
		}
		position += n
	}
	if first < 0 {
		return plans.Range{}
	}
	base := kernels.AddressOf(o.data)
	return plans.Range{From: base + uintptr(first*4), To: base + uintptr(last*4)}
}

// fetch brings a block from a position on into the second-level cache, so many channels.
func (p *tileGradW) fetch(o *operand, position, channels int) {
	for end := position + positionsAhead; position < end; {
		at, n := p.runOf(o, position)
		n = min(n, end-position)
		if at >= 0 {
			p.Prefetch(&o.data[at], o.stride*o.depth*4, plans.CeilDiv(min(channels, o.depth-o.from), 16), n)
		}
		position += n
	}
}

// layOutY fills the transposed dy, of tiles of rows from one on, with n positions.
func (p *tileGradW) layOutY(w *gradWorker, dy []float32, dst []uint32, firstRow, position, n int) {
	rows := min(p.Tall, p.RowTiles-firstRow) * kernels.Side
	o := operand{data: dy, from: firstRow * kernels.Side, depth: p.conv.O, stride: 1, residue: noResidue}
	p.fetch(&o, position, rows)
	for at := 0; at < n; at += positionsAhead {
		if at+positionsAhead < n {
			p.fetch(&o, position+at+positionsAhead, rows)
		}
		p.transposed(w, o, dst[at/2:], rows, position+at)
	}
}

// transposed fills 32 positions of so many rows of the transposed dy, from a position on.
func (p *tileGradW) transposed(w *gradWorker, o operand, dst []uint32, rows, position int) {
	words, first := kernels.WordsOf(w.memory), o.from
	for from := 0; from < rows; from += gradLanes {
		lanes := min(gradLanes, rows-from)
		apart := lanes | 16 // words, an odd number of cache lines
		o.from = first + from
		w.pairs = kernels.PanelPairs{Ldd: apart * 4, Panel: kernels.Side * 4, Low: p.low(16 * apart), N: min(lanes, o.depth-o.from)}
		p.pairsOf(w, o, words, position, positionsAhead/2)
		for part := range p.parts() {
			for c := 0; c < lanes; c += 16 {
				p.Transpose(&dst[part*p.wordsY()+(from+c)*p.pitch/2], p.pitch*2, &words[part*16*apart+c], apart*4)
			}
		}
	}
}

// operand is x, of a residue, or dy; its numbers from channel from on are wanted.
type operand struct {
	data                []float32
	from, depth, stride int
	residue             int
}

// noResidue marks dy.
const noResidue = -1

// runOf is where the pixel at a position begins, or -1, and for how many positions
// it goes on like this.
func (p *tileGradW) runOf(o *operand, position int) (at, n int) {
	var pixel int
	if o.residue == noResidue {
		pixel, n = p.Result(0, position)
	} else {
		pixel, n = p.Run(o.residue, position)
	}
	if pixel < 0 {
		return -1, n
	}
	return pixel*o.depth + o.from, n
}

// pairsOf fills dst with count pairs of positions from one on, as w.pairs says.
func (p *tileGradW) pairsOf(w *gradWorker, o operand, dst []uint32, position, count int) {
	a := &w.pairs
	for i := 0; i < count; i += a.Count {
		at, m := p.runOf(&o, position+2*i)
		a.Dst, a.Count = &dst[i*a.Ldd/4], min(max(m/2, 1), count-i)
		a.Even, a.Next = p.at(o, at), 2*o.stride*o.depth*4
		switch {
		case m == 1: // the end of a row
			next, _ := p.runOf(&o, position+2*i+1)
			a.Odd = p.at(o, next)
		case at < 0:
			a.Odd, a.Next = a.Even, 0
		default:
			a.Odd = &o.data[at+o.stride*o.depth]
		}
		p.Panels(a)
	}
}

// at is the pixel that begins there, or zeros.
func (p *tileGradW) at(o operand, at int) *float32 {
	if at < 0 {
		return &p.zero[0]
	}
	return &o.data[at]
}
