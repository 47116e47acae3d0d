package gemm

import "sync"

// noPixel are the zeros that all plans read beside their pictures.
var noPixel struct {
	sync.Mutex
	zeros []float32
}

// zeros returns n of them, not to be written.
func zeros(n int) []float32 {
	noPixel.Lock()
	defer noPixel.Unlock()
	if n > len(noPixel.zeros) {
		noPixel.zeros = make([]float32, n)
	}
	return noPixel.zeros[:n]
}

// source gives the addresses of the left operand's rows.
type source interface {
	size() (rows, depth, taps int)
	// fill writes the addresses of rows m … m+len-1 for all taps to
	// table[tap*stride+i], base being the operand's and zero a row of zeros.
	fill(table []uintptr, stride, m, n int, base, zero uintptr)
}

// rowSource is a plain matrix [rows, depth].
type rowSource struct{ rows, depth int }

func (s rowSource) size() (int, int, int) { return s.rows, s.depth, 1 }

func (s rowSource) fill(table []uintptr, _, m, n int, base, _ uintptr) {
	for i := range n {
		table[i] = base + uintptr((m+i)*s.depth*4)
	}
}

// pixelSource is a picture [.., h, w, depth] seen by a convolution whose result
// is oh x ow. Result (y, x) and tap (dy, dx) meet at pixel
// ((y·mul + dy)/div, (x·mul + dx)/div), if that is whole and inside.
type pixelSource struct {
	n, oh, ow, h, w, depth int
	mul, div               int
	up                     int // pixels of the picture stand for squares of this side
	dy, dx                 []int
}

func forwardSource(c Conv) pixelSource {
	oh, ow := c.OutSize()
	s := pixelSource{n: c.N, oh: oh, ow: ow, h: c.H, w: c.W, depth: c.C, mul: c.Stride, div: 1, up: c.factor()}
	for ky := range c.KH {
		for kx := range c.KW {
			s.dy, s.dx = append(s.dy, ky-c.PadTop), append(s.dx, kx-c.PadLeft)
		}
	}
	return s
}

func backwardSource(c Conv) pixelSource {
	oh, ow := c.OutSize()
	s := pixelSource{n: c.N, oh: c.H, ow: c.W, h: oh, w: ow, depth: c.O, mul: 1, div: c.Stride, up: 1}
	for ky := range c.KH {
		for kx := range c.KW {
			s.dy, s.dx = append(s.dy, c.PadTop-ky), append(s.dx, c.PadLeft-kx)
		}
	}
	return s
}

func (s pixelSource) size() (int, int, int) { return s.n * s.oh * s.ow, s.depth, len(s.dy) }

func (s pixelSource) fill(table []uintptr, stride, m, n int, base, zero uintptr) {
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
