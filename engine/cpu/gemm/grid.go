package gemm

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
)

// A grid lays pictures out so that the shift of every tap is one constant
// distance: positions [n][hp][wp], zero where there is no pixel, and for a
// stride s one plane for each of the s·s phases of a pixel's coordinates.
// Results sit at positions too; those of the rim are computed and dropped.
// With stride 1 the zeros after a row are those before the next, and the zeros
// below a picture those above the next.
type grid struct {
	n, hp, wp int
	planes    int // s·s
	stride    int
	h, w      int // of the picture that is laid out
	depth     int // its channels
	top, left int // zeros before it
	up        int // pixels of the picture stand for squares of this side
}

// positions of one plane.
func (g *grid) positions() int { return g.n * g.hp * g.wp }

// run is the pixel at a position of a plane, or -1, and for how many positions
// from there on it goes on like this, each stride pixels after the other.
func (g *grid) run(plane, position int) (pixel, n int) {
	i, row := position%g.wp, position/g.wp
	y := row%g.hp*g.stride + plane/g.stride - g.top
	shift := plane%g.stride - g.left // x = i·stride + shift
	first, last := min(max(ceilDiv(-shift, g.stride), 0), g.wp), min(ceilDiv(g.w-shift, g.stride), g.wp)
	switch {
	case row >= g.n*g.hp:
		return -1, math.MaxInt
	case uint(y) >= uint(g.h) || i >= last:
		return -1, g.wp - i
	case i < first:
		return -1, first - i
	}
	return (row/g.hp*g.h+y)*g.w + i*g.stride + shift, last - i
}

// place is the shift of a tap.
type place struct {
	plane int
	shift int // in positions
}

// class is a set of results that see the same taps.
type class struct {
	taps   []int // which taps, in the order of the weights
	places []place
}

// product is a convolution or its gradient to the picture as sums over shifts.
// The results of class k at (y, x) of the grid are the pixels (y·every + y0[k],
// x·every + x0[k]), if there are such.
type product struct {
	grid
	classes []class
	oh, ow  int // of the result
	every   int
	y0, x0  []int
	slack   int  // positions that shifts may reach beyond the last
	normed  bool // the picture is normalised as it is laid out

	halfX, halfY bool // the rows of a matrix, and of the result, are bfloat16 in memory
}

// result is the pixel of the result at a position of a class, or -1, and for how
// many positions it goes on like this, each every pixels after the other.
func (p *product) result(k, position int) (pixel, n int) {
	i, row := position%p.wp, position/p.wp
	y := row%p.hp*p.every + p.y0[k]
	first, last := min(max(ceilDiv(-p.x0[k], p.every), 0), p.wp), min(ceilDiv(p.ow-p.x0[k], p.every), p.wp)
	switch {
	case row >= p.n*p.hp:
		return -1, math.MaxInt
	case uint(y) >= uint(p.oh) || i >= last:
		return -1, p.wp - i
	case i < first:
		return -1, first - i
	}
	return (row/p.hp*p.oh+y)*p.ow + i*p.every + p.x0[k], last - i
}

// line is half a tile: so many results at neighbouring positions.
const line = kernels.Side / 2

// aligned tells whether lines of results fill the rows of pictures, so that none of the
// rim is computed.
func (p *product) aligned() bool {
	return len(p.classes) == 1 && p.every == 1 && p.ow%line == 0 && p.oh*p.ow < p.hp*p.wp
}

// lines is the number of lines that all results take.
func (p *product) lines() int {
	if p.aligned() {
		return p.n * p.oh * p.ow / line
	}
	return ceilDiv(p.positions(), line)
}

// start is the first position of a line; those behind the last follow it.
func (p *product) start(i int) int {
	if !p.aligned() {
		return i * line
	}
	beyond := max(i-p.lines()+1, 0)
	r := (i - beyond) * line
	y := r / p.ow
	return (y/p.oh*p.hp+y%p.oh)*p.wp + r%p.ow + beyond*line
}

// forward is the convolution itself.
func forward(c Conv) product {
	if c.KH*c.KW*c.Stride*c.factor() == 1 && c.PadTop == 0 && c.PadBottom == 0 && c.PadLeft == 0 && c.PadRight == 0 {
		c.N, c.H, c.W = 1, 1, c.N*c.H*c.W // all rows are alike
	}
	oh, ow := c.OutSize()
	s := c.Stride
	p := product{oh: oh, ow: ow, every: 1, y0: []int{0}, x0: []int{0}, normed: c.Normed}
	p.grid = grid{
		n: c.N, hp: oh + (c.KH-1)/s, wp: ow + (c.KW-1)/s, planes: s * s, stride: s,
		h: c.H, w: c.W, depth: c.C, top: c.PadTop, left: c.PadLeft, up: c.factor(),
	}
	if s == 1 {
		p.hp = max(oh, c.H+max(c.PadTop, c.PadBottom))
		p.wp = max(ow, c.W+max(c.PadLeft, c.PadRight))
	}
	var k class
	for ky := range c.KH {
		for kx := range c.KW {
			shift := ky/s*p.wp + kx/s
			k.taps = append(k.taps, ky*c.KW+kx)
			k.places = append(k.places, place{ky%s*s + kx%s, shift})
			p.slack = max(p.slack, shift)
		}
	}
	p.classes = []class{k}
	return p
}

// full is the convolution of dy that gives dx when the stride is 1, but for
// the order of the taps.
func (c Conv) full() Conv {
	oh, ow := c.OutSize()
	return Conv{
		N: c.N, H: oh, W: ow, C: c.O, O: c.C, KH: c.KH, KW: c.KW, Stride: 1,
		PadTop: c.KH - 1 - c.PadTop, PadBottom: c.KH - 1 - c.PadBottom,
		PadLeft: c.KW - 1 - c.PadLeft, PadRight: c.KW - 1 - c.PadRight, Training: c.Training, Fresh: c.Fresh,
	}
}

// backward is the gradient to the picture: dx[y] = Σ dy[(y+pad-k)/s]·w[k], over
// the k for which that is whole; which k these are is the class of y.
func backward(c Conv) product {
	oh, ow := c.OutSize()
	s := c.Stride
	if full := c.full(); s == 1 && min(full.PadTop, full.PadBottom, full.PadLeft, full.PadRight) >= 0 {
		p := forward(full)
		slices.Reverse(p.classes[0].taps)
		return p
	}
	jh, jw := ceilDiv(c.KH, s), ceilDiv(c.KW, s)
	p := product{oh: c.H, ow: c.W, every: s}
	p.grid = grid{
		n: c.N, hp: (c.H-1+c.PadTop)/s + jh, wp: (c.W-1+c.PadLeft)/s + jw, planes: 1, stride: 1,
		h: oh, w: ow, depth: c.O, top: jh - 1, left: jw - 1, up: 1,
	}
	for a := range s {
		for b := range s {
			var k class
			for ky := a; ky < c.KH; ky += s {
				for kx := b; kx < c.KW; kx += s {
					shift := (jh-1-ky/s)*p.wp + jw - 1 - kx/s
					k.taps = append(k.taps, ky*c.KW+kx)
					k.places = append(k.places, place{0, shift})
					p.slack = max(p.slack, shift)
				}
			}
			p.classes = append(p.classes, k)
			p.y0, p.x0 = append(p.y0, a-c.PadTop), append(p.x0, b-c.PadLeft)
		}
	}
	return p
}
