package plans

import "sync"

// noPixel are the zeros that all plans read beside their pictures.
var noPixel struct {
	sync.Mutex
	zeros []float32
}

// Zeros returns n of them, not to be written.
func Zeros(n int) []float32 {
	noPixel.Lock()
	defer noPixel.Unlock()
	if n > len(noPixel.zeros) {
		noPixel.zeros = make([]float32, n)
	}
	return noPixel.zeros[:n]
}

// Source gives the addresses of the left operand's rows.
type Source interface {
	Size() (rows, depth, taps int)
	// Fill writes the addresses of rows m … m+len-1 for all taps to
	// table[tap*stride+i], base being the operand's and zero a row of zeros.
	Fill(table []uintptr, stride, m, n int, base, zero uintptr)
}

// RowSource is a plain matrix [rows, depth].
type RowSource struct{ Rows, Depth int }

func (s RowSource) Size() (int, int, int) { return s.Rows, s.Depth, 1 }

func (s RowSource) Fill(table []uintptr, _, m, n int, base, _ uintptr) {
	for i := range n {
		table[i] = base + uintptr((m+i)*s.Depth*4)
	}
}

// PixelSource is a picture [.., h, w, depth] seen by a convolution whose result
// is oh x ow. Result (y, x) and tap (dy, dx) meet at pixel
// ((y·mul + dy)/div, (x·mul + dx)/div), if that is whole and inside.
type PixelSource struct {
	n, oh, ow, h, w, depth int
	mul, div               int
	up                     int // pixels of the picture stand for squares of this side
	dy, dx                 []int
}

func ForwardSource(c Conv) PixelSource {
	oh, ow := c.OutSize()
	s := PixelSource{n: c.N, oh: oh, ow: ow, h: c.H, w: c.W, depth: c.C, mul: c.Stride, div: 1, up: c.Factor()}
	for ky := range c.KH {
		for kx := range c.KW {
			s.dy, s.dx = append(s.dy, ky-c.PadTop), append(s.dx, kx-c.PadLeft)
		}
	}
	return s
}

func BackwardSource(c Conv) PixelSource {
	oh, ow := c.OutSize()
	s := PixelSource{n: c.N, oh: c.H, ow: c.W, h: oh, w: ow, depth: c.O, mul: 1, div: c.Stride, up: 1}
	for ky := range c.KH {
		for kx := range c.KW {
			s.dy, s.dx = append(s.dy, c.PadTop-ky), append(s.dx, c.PadLeft-kx)
		}
	}
	return s
}

func (s PixelSource) Size() (int, int, int) { return s.n * s.oh * s.ow, s.depth, len(s.dy) }

func (s PixelSource) Fill(table []uintptr, stride, m, n int, base, zero uintptr) {
	for i := range n {
		x := (m + i) % s.ow
		y := (m + i) / s.ow % s.oh
		picture := base + uintptr((m+i)/(s.ow*s.oh)*(s.h/s.up)*(s.w/s.up)*s.depth*4)
		for t := range s.dy {
			iy, ix := y*s.mul+s.dy[t], x*s.mul+s.dx[t]
			whole := true
			if s.div > 1 {
				whole = iy >= 0 && ix >= 0 && iy%s.div == 0 && ix%s.div == 0
				iy, ix = iy/s.div, ix/s.div
			}
			at := zero
			if whole && uint(iy) < uint(s.h) && uint(ix) < uint(s.w) {
				at = picture + uintptr((iy/s.up*(s.w/s.up)+ix/s.up)*s.depth*4)
			}
			table[t*stride+i] = at
		}
	}
}
