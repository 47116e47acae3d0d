package plans

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
)

// A grid lays pictures out so that the shift of every tap is one constant
// distance: positions [n][hp][wp], zero where there is no pixel, and for a
// stride s once for each of the s·s residues of a pixel's coordinates modulo s.
// Results sit at positions too; those of the rim are computed and dropped.
// With stride 1 the zeros after a row are those before the next, and the zeros
// below a picture those above the next.
type Grid struct {
	N, Hp, Wp int
	Residues  int // s·s
	Stride    int
	H, W      int // of the picture that is laid out
	Depth     int // its channels
	Top, Left int // zeros before it
	Up        int // pixels of the picture stand for squares of this side
}

// Positions of one residue.
func (g *Grid) Positions() int { return g.N * g.Hp * g.Wp }

// Run is the pixel at a position of a residue, or -1, and for how many positions
// from there on it goes on like this, each stride pixels after the other.
func (g *Grid) Run(residue, position int) (pixel, n int) {
	i, row := position%g.Wp, position/g.Wp
	y := row%g.Hp*g.Stride + residue/g.Stride - g.Top
	shift := residue%g.Stride - g.Left // x = i·stride + shift
	first, last := min(max(CeilDiv(-shift, g.Stride), 0), g.Wp), min(CeilDiv(g.W-shift, g.Stride), g.Wp)
	switch {
	case row >= g.N*g.Hp:
		return -1, math.MaxInt
	case uint(y) >= uint(g.H) || i >= last:
		return -1, g.Wp - i
	case i < first:
		return -1, first - i
	}
	return (row/g.Hp*g.H+y)*g.W + i*g.Stride + shift, last - i
}

// TapShift is where a tap finds its pixels: those of a residue, so many positions on.
type TapShift struct{ Residue, Shift int }

// Class is a set of results that see the same taps.
type Class struct {
	Taps   []int // which taps, in the order of the weights
	Shifts []TapShift
}

// Product is a convolution or its gradient to the picture as sums over shifts.
// The results of class k at (y, x) of the grid are the pixels (y·every + y0[k],
// x·every + x0[k]), if there are such.
type Product struct {
	Grid
	Classes []Class
	Oh, Ow  int // of the result
	Every   int
	Y0, X0  []int
	Slack   int  // positions that shifts may reach beyond the last
	Normed  bool // the picture is normalised as it is laid out

	HalfX, HalfY bool // the rows of a matrix, and of the result, are bfloat16 in memory
}

// Result is the pixel of the result at a position of a class, or -1, and for how
// many positions it goes on like this, each every pixels after the other.
func (p *Product) Result(k, position int) (pixel, n int) {
	i, row := position%p.Wp, position/p.Wp
	y := row%p.Hp*p.Every + p.Y0[k]
	first, last := min(max(CeilDiv(-p.X0[k], p.Every), 0), p.Wp), min(CeilDiv(p.Ow-p.X0[k], p.Every), p.Wp)
	switch {
	case row >= p.N*p.Hp:
		return -1, math.MaxInt
	case uint(y) >= uint(p.Oh) || i >= last:
		return -1, p.Wp - i
	case i < first:
		return -1, first - i
	}
	return (row/p.Hp*p.Oh+y)*p.Ow + i*p.Every + p.X0[k], last - i
}

// HalfTile is the number of results of half a tile, at neighbouring positions.
const HalfTile = kernels.Side / 2

// Aligned tells whether half tiles fill the rows of pictures, so that no result of the rim
// is computed.
func (p *Product) Aligned() bool {
	return len(p.Classes) == 1 && p.Every == 1 && p.Ow%HalfTile == 0 && p.Oh*p.Ow < p.Hp*p.Wp
}

// HalfTiles is how many of them all results take.
func (p *Product) HalfTiles() int {
	if p.Aligned() {
		return p.N * p.Oh * p.Ow / HalfTile
	}
	return CeilDiv(p.Positions(), HalfTile)
}

// Start is the first position of a half tile; those behind the last follow it.
func (p *Product) Start(i int) int {
	if !p.Aligned() {
		return i * HalfTile
	}
	beyond := max(i-p.HalfTiles()+1, 0)
	r := (i - beyond) * HalfTile
	y := r / p.Ow
	return (y/p.Oh*p.Hp+y%p.Oh)*p.Wp + r%p.Ow + beyond*HalfTile
}

// Forward is the convolution itself.
func Forward(c Conv) Product {
	if c.KH*c.KW*c.Stride*c.Factor() == 1 && c.PadTop == 0 && c.PadBottom == 0 && c.PadLeft == 0 && c.PadRight == 0 {
		c.N, c.H, c.W = 1, 1, c.N*c.H*c.W // all rows are alike
	}
	oh, ow := c.OutSize()
	s := c.Stride
	p := Product{Oh: oh, Ow: ow, Every: 1, Y0: []int{0}, X0: []int{0}, Normed: c.Normed}
	p.Grid = Grid{
		N: c.N, Hp: oh + (c.KH-1)/s, Wp: ow + (c.KW-1)/s, Residues: s * s, Stride: s,
		H: c.H, W: c.W, Depth: c.C, Top: c.PadTop, Left: c.PadLeft, Up: c.Factor(),
	}
	if s == 1 {
		p.Hp = max(oh, c.H+max(c.PadTop, c.PadBottom))
		p.Wp = max(ow, c.W+max(c.PadLeft, c.PadRight))
	}
	var k Class
	for ky := range c.KH {
		for kx := range c.KW {
			shift := ky/s*p.Wp + kx/s
			k.Taps = append(k.Taps, ky*c.KW+kx)
			k.Shifts = append(k.Shifts, TapShift{ky%s*s + kx%s, shift})
			p.Slack = max(p.Slack, shift)
		}
	}
	p.Classes = []Class{k}
	return p
}

// Full is the convolution of dy that gives dx when the stride is 1, but for
// the order of the taps.
func (c Conv) Full() Conv {
	oh, ow := c.OutSize()
	return Conv{
		N: c.N, H: oh, W: ow, C: c.O, O: c.C, KH: c.KH, KW: c.KW, Stride: 1,
		PadTop: c.KH - 1 - c.PadTop, PadBottom: c.KH - 1 - c.PadBottom,
		PadLeft: c.KW - 1 - c.PadLeft, PadRight: c.KW - 1 - c.PadRight, Training: c.Training, Fresh: c.Fresh,
	}
}

// Backward is the gradient to the picture: dx[y] = Σ dy[(y+pad-k)/s]·w[k], over
// the k for which that is whole; which k these are is the class of y.
func Backward(c Conv) Product {
	oh, ow := c.OutSize()
	s := c.Stride
	if full := c.Full(); s == 1 && min(full.PadTop, full.PadBottom, full.PadLeft, full.PadRight) >= 0 {
		p := Forward(full)
		slices.Reverse(p.Classes[0].Taps)
		return p
	}
	jh, jw := CeilDiv(c.KH, s), CeilDiv(c.KW, s)
	p := Product{Oh: c.H, Ow: c.W, Every: s}
	p.Grid = Grid{
		N: c.N, Hp: (c.H-1+c.PadTop)/s + jh, Wp: (c.W-1+c.PadLeft)/s + jw, Residues: 1, Stride: 1,
		H: oh, W: ow, Depth: c.O, Top: jh - 1, Left: jw - 1, Up: 1,
	}
	for a := range s {
		for b := range s {
			var k Class
			for ky := a; ky < c.KH; ky += s {
				for kx := b; kx < c.KW; kx += s {
					shift := (jh-1-ky/s)*p.Wp + jw - 1 - kx/s
					k.Taps = append(k.Taps, ky*c.KW+kx)
					k.Shifts = append(k.Shifts, TapShift{0, shift})
					p.Slack = max(p.Slack, shift)
				}
			}
			p.Classes = append(p.Classes, k)
			p.Y0, p.X0 = append(p.Y0, a-c.PadTop), append(p.X0, b-c.PadLeft)
		}
	}
	return p
}
