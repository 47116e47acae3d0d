package gemm

import "slices"

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
func (g grid) positions() int { return g.n * g.hp * g.wp }

// pixel is the index of the pixel at a position of a plane, or -1.
func (g grid) pixel(plane, position int) int {
	x := position%g.wp*g.stride + plane%g.stride - g.left
	y := position/g.wp%g.hp*g.stride + plane/g.stride - g.top
	n := position / (g.wp * g.hp)
	if uint(x) >= uint(g.w) || uint(y) >= uint(g.h) || n >= g.n {
		return -1
	}
	return (n*g.h+y)*g.w + x
}

// class is a set of results that see the same taps.
type class struct {
	taps    []int // which taps, in the order of the weights
	offsets []int // of each tap, in positions, planes counted one after the other
}

// product is a convolution or its gradient to the picture as sums over shifts.
type product struct {
	grid
	classes []class
	oh, ow  int // of the result
	// result is the pixel of the result at a position of a class, or -1.
	result func(class, position int) int
	slack  int // positions that shifts may reach beyond the last
}

// forward is the convolution itself.
func forward(c Conv) product {
	oh, ow := c.OutSize()
	s := c.Stride
	p := product{oh: oh, ow: ow}
	p.grid = grid{
		n: c.N, hp: oh + (c.KH-1)/s, wp: ow + (c.KW-1)/s, planes: s * s, stride: s,
		h: c.H, w: c.W, depth: c.C, top: c.PadTop, left: c.PadLeft, up: c.up(),
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
			k.offsets = append(k.offsets, (ky%s*s+kx%s)*p.positions()+shift)
			p.slack = max(p.slack, shift)
		}
	}
	p.classes = []class{k}
	hp, wp := p.hp, p.wp
	p.result = func(_, position int) int {
		x, y, n := position%wp, position/wp%hp, position/(wp*hp)
		if x >= ow || y >= oh || n >= c.N {
			return -1
		}
		return (n*oh+y)*ow + x
	}
	return p
}

// full is the convolution of dy that gives dx when the stride is 1, but for
// the order of the taps.
func (c Conv) full() Conv {
	oh, ow := c.OutSize()
	return Conv{
		N: c.N, H: oh, W: ow, C: c.O, O: c.C, KH: c.KH, KW: c.KW, Stride: 1,
		PadTop: c.KH - 1 - c.PadTop, PadBottom: c.KH - 1 - c.PadBottom,
		PadLeft: c.KW - 1 - c.PadLeft, PadRight: c.KW - 1 - c.PadRight, Training: c.Training,
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
	p := product{oh: c.H, ow: c.W}
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
					k.offsets = append(k.offsets, shift)
					p.slack = max(p.slack, shift)
				}
			}
			p.classes = append(p.classes, k)
		}
	}
	hp, wp := p.hp, p.wp
	p.result = func(class, position int) int {
		y := position/wp%hp*s + class/s - c.PadTop
		x := position%wp*s + class%s - c.PadLeft
		n := position / (wp * hp)
		if uint(x) >= uint(c.W) || uint(y) >= uint(c.H) || n >= c.N {
			return -1
		}
		return (n*c.H+y)*c.W + x
	}
	return p
}
