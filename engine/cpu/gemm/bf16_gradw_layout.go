package gemm

import "unsafe"

// gradBlock is the number of positions that are laid out while those behind them are
// fetched.
const gradBlock = step

// layOutX fills the transposed x, of tiles of rows from one on, with n positions and
// those behind them that taps reach.
func (p *tileGradW) layOutX(w *gradWorker, x []float32, dst []uint32, firstRow, position, n int) {
	rows := min(p.tall, p.rowTiles-firstRow) * side
	o := operand{data: x, from: firstRow * side, depth: p.conv.C, stride: p.stride}
	n += roundUp(p.slack, step)
	for o.plane = range p.planes {
		p.fetch(&o, position, rows)
		for at := 0; at < n; at += gradBlock {
			if at+gradBlock < n {
				p.fetch(&o, position+at+gradBlock, rows)
			}
			p.transposeX(w, o, dst[(o.plane*p.reach+at)/2:], rows, position+at)
		}
	}
}

// fetch brings a block from a position on into the second-level cache, so many channels.
func (p *tileGradW) fetch(o *operand, position, channels int) {
	for end := position + gradBlock; position < end; {
		at, n := p.runOf(o, position)
		n = min(n, end-position)
		if at >= 0 {
			p.prefetch(&o.data[at], o.stride*o.depth*4, ceilDiv(min(channels, o.depth-o.from), 16), n)
		}
		position += n
	}
}

// transposeX fills 32 positions of so many rows of the transposed x, from a position on.
func (p *tileGradW) transposeX(w *gradWorker, o operand, dst []uint32, rows, position int) {
	words, first := wordsOf(w.memory), o.from
	for from := 0; from < rows; from += gradLanes {
		lanes := min(gradLanes, rows-from)
		o.from = first + from
		p.pairsOf(w, o, words, lanes, 16*lanes, position, 16, min(lanes, o.depth-o.from))
		for part := range p.parts() {
			for c := 0; c < lanes; c += 16 {
				p.transpose(&dst[part*p.wordsX()+(from+c)*p.pitch/2], p.pitch*2, &words[part*16*lanes+c], lanes*4)
			}
		}
	}
}

// layOutY fills the panels of dy, from one on, with the pairs of n positions.
func (p *tileGradW) layOutY(w *gradWorker, dy []float32, dst []uint32, firstCol, position, n int) {
	panels := min(p.wide, p.colTiles-firstCol)
	o := operand{data: dy, from: firstCol * side, depth: p.conv.O, stride: 1, plane: noPlane}
	p.fetch(&o, position, panels*side)
	for at := 0; at < n; at += gradBlock {
		if at+gradBlock < n {
			p.fetch(&o, position+at+gradBlock, panels*side)
		}
		for c := range panels {
			o := o
			o.from += c * side
			p.pairsOf(w, o, dst[(c*p.band+at)/2*side:], side, p.wordsY(), position+at, gradBlock/2, min(side, o.depth-o.from))
		}
	}
}

// operand is x, of a plane, or dy; its numbers from channel from on are wanted.
type operand struct {
	data                []float32
	from, depth, stride int
	plane               int
}

// noPlane marks dy.
const noPlane = -1

// runOf is where the pixel at a position begins, or -1, and for how many positions
// it goes on like this.
func (p *tileGradW) runOf(o *operand, position int) (at, n int) {
	var pixel int
	if o.plane == noPlane {
		pixel, n = p.result(0, position)
	} else {
		pixel, n = p.run(o.plane, position)
	}
	if pixel < 0 {
		return -1, n
	}
	return pixel*o.depth + o.from, n
}

// pairsOf fills count rows of words, wide each, with n channels of the pairs of
// positions from one on; low parts go low words behind.
func (p *tileGradW) pairsOf(w *gradWorker, o operand, dst []uint32, wide, low, position, count, n int) {
	if !p.split {
		low = 0
	}
	w.rows = rowsArgs{ldd: wide * 4, lds: o.stride * o.depth * 4, n: n, low: low * 4}
	for i := 0; i < count; {
		at, m := p.runOf(&o, position+2*i)
		pairs := min(max(m/2, 1), count-i)
		row := dst[i*wide:]
		if at < 0 && m > 1 || n < wide {
			clear(row[:pairs*wide])
			if p.split {
				clear(row[low : low+pairs*wide])
			}
		}
		switch {
		case m == 1: // the end of a row
			next, _ := p.runOf(&o, position+2*i+1)
			p.pair(row, low, p.at(o, at), p.at(o, next), n)
		case at >= 0:
			w.rows.src, w.rows.dst, w.rows.count = &o.data[at], unsafe.Pointer(&row[0]), pairs
			p.rowPairs(&w.rows)
		}
		i += pairs
	}
}

// at is the pixel that begins there, or zeros.
func (p *tileGradW) at(o operand, at int) *float32 {
	if at < 0 {
		return &p.zero[0]
	}
	return &o.data[at]
}

func (p *tileGradW) pair(row []uint32, low int, even, odd *float32, n int) {
	p.pairs(&row[0], even, odd, n)
	if p.split {
		p.pairsLow(&row[low], even, odd, n)
	}
}

// turnArgs describes how sums of many taps, each in a tile of its own, come together:
//
//	dst[column][row][tap] = src[tap][row][column]
type turnArgs struct {
	dst   *float32 // 0
	ldd   int      // 8: bytes from one column of dst to the next
	next  int      // 16: bytes from one row of dst to the next
	src   *float32 // 24: rows of 32 columns
	lds   int      // 32: bytes from one tap of src to the next
	taps  int      // 40
	cols  int      // 48: at most 16
	count int      // 56: rows
}

func turnTapsPortable(a *turnArgs) {
	for row := range a.count {
		for c := range a.cols {
			dst := unsafe.Add(unsafe.Pointer(a.dst), row*a.next+c*a.ldd)
			src := unsafe.Add(unsafe.Pointer(a.src), (row*side+c)*4)
			for t := range a.taps {
				*(*float32)(unsafe.Add(dst, t*4)) = *(*float32)(unsafe.Add(src, t*a.lds))
			}
		}
	}
}
