package winorows

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// layOut makes V [ξ][row][pair][high, low][channel] of a piece from the channels of a
// pass.
func (p *winogradRows) layOut(w *winogradRowsWorker, a *plans.Args, v []uint16, row []float32, pass int, s piece) {
	w.in = kernels.SplitRowArgs{
		Src: &row[0], Pixel: p.part * 4, Next: p.pitch * 2, Xi: p.plane * 2, Low: p.part * 2,
		Channels: p.part, Count: p.across,
	}
	if p.conv.C < (pass+1)*p.part {
		clear(row)
	}
	in := inputRow{
		x: 2*(s.strip%p.strips)*p.across - p.conv.PadLeft, from: pass * p.part, channels: min(p.part, p.conv.C-pass*p.part),
	}
	first := s.strip / p.strips * p.joined
	for i := range s.rows {
		in.y = s.top + i - p.conv.PadTop
		for j := range min(p.joined, p.conv.N-first) {
			in.picture = first + j
			p.pixels(w, a, row, in)
			w.in.Dst = unsafe.Pointer(&v[(s.at+i*p.strip+j*p.across)*p.pitch])
			p.SplitRow(&w.in)
		}
	}
}

// inputRow is what a strip sees of a row of a picture, from pixel x on, and of that a
// pass: some channels.
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
	clear(dst[:first*p.part])
	clear(dst[last*p.part : (2*p.across+2)*p.part])
	w.round = kernels.RowsArgs{Ldd: p.part * 4, Lds: p.conv.C * 4, N: r.channels}
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
		w.round.Dst, w.round.Src = unsafe.Pointer(&dst[i*p.part]), p.source(a, r, i)
		p.WideRows(&w.round)
	}
}
