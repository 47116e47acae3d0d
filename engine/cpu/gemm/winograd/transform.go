package winograd

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// at is the picture and the first result's row and column of a tile.
func (p *winogradPlan) at(tile int) (n, y, x int) {
	row := tile / p.across
	return row / p.down, row % p.down * p.size.Out, (tile - row*p.across) * p.size.Out
}

// transformInput writes V[ξ][t] of one tile; those of a ξ are row numbers apart.
func (p *winogradPlan) transformInput(w *winogradWorker, x, v []float32, row, tile, t int) {
	c := &p.conv
	n, y0, x0 := p.at(tile)
	y0, x0 = y0-c.PadTop, x0-c.PadLeft
	up, side := c.Factor(), p.size.Tile
	width := c.W / up
	picture := kernels.AddressOf(x) + uintptr(n*(c.H/up)*width*c.C*4)
	var columns [kernels.WinoMaxTile]int // their bytes from the start of a row, or -1
	for j := range side {
		columns[j] = -1
		if ix := x0 + j; uint(ix) < uint(c.W) {
			columns[j] = ix / up * c.C * 4
		}
	}
	zero := kernels.AddressOf(p.zero)
	for i := range side {
		pixels := w.pixels[i*side:][:side]
		iy := y0 + i
		line, inside := picture+uintptr(iy/up*width*c.C*4), uint(iy) < uint(c.H)
		for j := range pixels {
			pixels[j] = zero
			if inside && columns[j] >= 0 {
				pixels[j] = line + uintptr(columns[j])
			}
		}
	}
	w.in = kernels.WinoInArgs{
		Pixels: &w.pixels[0], Channels: c.C, Dst: kernels.AddressOf(v[t*row:]), Stride: p.pitchV * 4, Tmp: &w.tmp[0],
		Ahead: p.size.Out / up * width * c.C * 4,
	}
	p.size.Input(&w.in)
}

// transformFilters writes row i of U of one panel to u, [tile][C][cols].
func (p *winogradPlan) transformFilters(w *winogradWorker, a *plans.Args, u []float32, panel, i int) {
	words := p.conv.C * p.Kernel.Cols
	src := w.wide
	if a.Half == nil {
		src = a.W[panel*9*words:]
	} else {
		vec.Widen(a.Format, src, a.Half[panel*9*words:][:9*words])
	}
	w.filters = kernels.WinoFilterArgs{Src: &src[0], Tap: words * 4, Dst: &u[0], Row: &p.size.G[i], Words: words}
	if p.flipped {
		w.filters.Flipped = 1
	}
	p.size.Filter(&w.filters)
}

// setBias copies the bias to where whole vectors of it may be read.
func (p *winogradPlan) setBias(w *winogradWorker, a *plans.Args) {
	clear(w.bias)
	if a.Bias != nil {
		copy(w.bias, a.Bias[:p.conv.O])
	}
}

// channels are count of them from one on.
type channels struct{ from, count int }

// transformOutput makes some channels of the results of one tile, whose row of M, for
// ξ = 0, begins with the first of them.
func (p *winogradPlan) transformOutput(w *winogradWorker, a *plans.Args, row rowsOf, tile int, c channels) {
	base := kernels.AddressOf(a.Y)
	p.findResults(w, base+uintptr(c.from*4), 0, tile)
	w.out = kernels.WinoOutArgs{
		Src: kernels.AddressOf(row.m), Stride: p.pitchM * 4, Channels: c.count,
		Results: &w.results[0], Bias: &w.bias[c.from], Tmp: &w.tmp[0],
		Ahead: p.size.Out * p.conv.O * 4,
	}
	if a.Add != nil {
		w.out.Add, w.out.Delta = 1, kernels.AddressOf(a.Add)-base
	}
	p.size.Output(&w.out)
}

// findResults lists the addresses of a tile's results in an array of their shape
// at base, with none for those beyond the rim.
func (p *winogradPlan) findResults(w *winogradWorker, base, none uintptr, tile int) {
	side, o := p.size.Out, p.conv.O
	n, y0, x0 := p.at(tile)
	for i := range side {
		y := y0 + i
		row := base + uintptr(((n*p.oh+y)*p.ow+x0)*o*4)
		for j := range side {
			w.results[i*side+j] = none
			if y < p.oh && x0+j < p.ow {
				w.results[i*side+j] = row + uintptr(j*o*4)
			}
		}
	}
}
