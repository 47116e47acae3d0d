package winorows

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// layOut makes V [ξ][row][pair][high, low][channel] of a span from the channels of a
// K block.
func (p *winogradRows) layOut(w *winogradRowsWorker, a *plans.Args, v []uint16, row []float32, kBlock int, s span) {
	w.in = kernels.SplitRowArgs{
		Src: &row[0], Pixel: p.channels * 4, Next: p.pitch * 2, Xi: p.xiStride * 2, Low: p.channels * 2,
		Channels: p.channels, Count: p.across,
	}
	if p.conv.C < (kBlock+1)*p.channels {
		clear(row)
	}
	in := inputRow{
		x: 2*(s.owBlock%p.owBlocks)*p.across - p.conv.PadLeft, from: kBlock * p.channels, channels: min(p.channels, p.conv.C-kBlock*p.channels),
	}
	first := s.owBlock / p.owBlocks * p.joined
	for i := range s.rows {
		in.y = s.top + i - p.conv.PadTop
		for j := range min(p.joined, p.conv.N-first) {
			in.picture = first + j
			p.pixels(w, a, row, in)
			w.in.Dst = unsafe.Pointer(&v[(s.at+i*p.owBlock+j*p.across)*p.pitch])
			p.SplitRow(&w.in)
		}
	}
}

// inputRow is what a block of the width sees of a row of a picture, from pixel x on, and of
// that a K block: some channels.
type inputRow struct{ picture, y, x, from, channels int }

// inside are the pixels first … last-1 of a row that lie inside the picture.
func (p *winogradRows) inside(r inputRow) (first, last int) {
	count := 2*p.across + 2
	if uint(r.y) >= uint(p.conv.H) {
		return count, count
	}
	return min(max(-r.x, 0), count), max(min(p.conv.W-r.x, count), 0)
}

// source is pixel i of a row.
func (p *winogradRows) source(a *plans.Args, r inputRow, i int) *float32 {
	c, up := &p.conv, p.conv.Factor()
	return &a.X[((r.picture*(c.H/up)+r.y/up)*(c.W/up)+(r.x+i)/up)*c.C+r.from]
}

// pixels copies a row, or normalises it; outside the picture it is 0.
func (p *winogradRows) pixels(w *winogradRowsWorker, a *plans.Args, dst []float32, r inputRow) {
	first, last := p.inside(r)
	clear(dst[:first*p.channels])
	clear(dst[last*p.channels : (2*p.across+2)*p.channels])
	w.round = kernels.RowsArgs{Ldd: p.channels * 4, Lds: p.conv.C * 4, N: r.channels}
	if p.conv.Normed {
		a.Norm.Into(&w.round, r.picture, r.from, p.conv.C)
	}
	up := p.conv.Factor()
	for i := first; i < last; i += w.round.Count {
		w.round.Count = last - i
		if up > 1 {
			w.round.Count = min(up-(r.x+i)%up, last-i) // they see the same pixel
			w.round.Lds = 0
		}
		w.round.Dst, w.round.Src = unsafe.Pointer(&dst[i*p.channels]), p.source(a, r, i)
		p.WideRows(&w.round)
	}
}
