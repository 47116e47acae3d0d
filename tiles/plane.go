package tiles

import "github.com/ldm-go/ldm/tensor"

// blockFloats is the size of a block of rows; tests make it smaller.
var blockFloats = 4 << 20

// pool keeps blocks that were given back, so that memory goes from one plane to
// the next while the one is read and the other written.
type pool struct{ free [][]float32 }

func (p *pool) get(n int) []float32 {
	for i, b := range p.free {
		if len(b) >= n {
			p.free[i] = p.free[len(p.free)-1]
			p.free = p.free[:len(p.free)-1]
			return b
		}
	}
	return tensor.Memory[float32](n)
}

// plane is a picture [h, w, c] in blocks of rows. A block has memory from when it
// is first written until it is released.
type plane struct {
	h, w, c int
	rows    int // in a block
	blocks  [][]float32
	pool    *pool
}

func newPlane(p *pool, h, w, c int) *plane {
	rows := max(blockFloats/(w*c), 1)
	return &plane{h, w, c, rows, make([][]float32, (h+rows-1)/rows), p}
}

func (p *plane) row(y int) []float32 {
	b := &p.blocks[y/p.rows]
	if *b == nil {
		*b = p.pool.get(max(blockFloats, p.rows*p.w*p.c))
	}
	n := p.w * p.c
	return (*b)[y%p.rows*n:][:n]
}

// read copies the window of size h x w at top and left.
func (p *plane) read(dst []float32, top, left, h, w int) {
	for y := range h {
		copy(dst[y*w*p.c:(y+1)*w*p.c], p.row(top + y)[left*p.c:])
	}
}

// write copies the part of a window of the given width that begins at row y and
// column x of it and has size h x w, to top and left.
func (p *plane) write(window []float32, width, y, x, top, left, h, w int) {
	for i := range h {
		copy(p.row(top + i)[left*p.c:(left+w)*p.c], window[((y+i)*width+x)*p.c:])
	}
}

// release gives back the blocks that lie above row y.
func (p *plane) release(y int) {
	for i := range min(y/p.rows, len(p.blocks)) {
		p.drop(i)
	}
}

func (p *plane) releaseAll() {
	for i := range p.blocks {
		p.drop(i)
	}
}

func (p *plane) drop(i int) {
	if b := p.blocks[i]; b != nil {
		p.pool.free = append(p.pool.free, b)
		p.blocks[i] = nil
	}
}
