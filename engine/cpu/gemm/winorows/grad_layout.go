package winorows

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// operand is a part of x or dy: of the channels of a pixel so many blocks of 16 from one on.
type operand struct {
	data          []float32
	channels      int
	block, blocks int
}

// layOutX makes Bᵀ d of the lines that a band meets, from the one above its first to the
// one below its last.
func (p *Grad) layOutX(w *rowsGradWorker, x operand, dst []uint32, band int) {
	w.pairs = kernels.PixelPairsArgs{
		Pixel: p.Conv.C * 4, Next: 64, Xi: p.placeX(0, 1, 0) * 4, Low: kernels.TileWords * 4,
		Block: p.placeX(1, 0, 0) * 4, Blocks: x.blocks,
	}
	for line := range p.Band + 2 {
		if line <= p.Band {
			p.fetch(x, band, line)
		}
		p.line(w, x, band, line-1, dst[p.placeX(0, 0, line):], p.PixelPairs)
	}
}

// layOutY makes A e of a band, transposed.
func (p *Grad) layOutY(w *rowsGradWorker, dy operand, dst []uint32, band int) {
	for from := 0; from < dy.blocks; from += rowsGradBlocks {
		n := min(rowsGradBlocks, dy.blocks-from)
		some := operand{dy.data, dy.channels, dy.block + from, n}
		apart := 16 * (n | 1) // words, an odd number of cache lines
		w.pairs = kernels.PixelPairsArgs{
			Pixel: p.Conv.O * 4, Next: apart * 4, Xi: 2 * 16 * apart * 4, Low: 16 * apart * 4, Block: 64, Blocks: n,
		}
		for line := range p.Band {
			if line+1 < p.Band {
				p.fetch(some, band, line+1)
			}
			p.line(w, some, band, line, w.memory, p.GradPairs)
			for i := range 4 * n {
				xi, k := i%4, i/4
				to, src := dst[p.placeY(from+k, xi, line):], w.memory[xi*2*16*apart+k*16:]
				p.Transpose(&to[0], 64, &src[0], apart*4)
				p.Transpose(&to[kernels.TileWords], 64, &src[16*apart], apart*4)
			}
		}
	}
}

// line makes the elements of a line of x or dy.
func (p *Grad) line(w *rowsGradWorker, of operand, band, line int, dst []uint32, elements func(*kernels.PixelPairsArgs)) {
	a := &w.pairs
	a.Count = p.Across / 2
	pixel, strip := a.Pixel, band%p.Strips
	for i := range p.Together {
		a.Dst = unsafe.Pointer(&dst[i*a.Count*a.Next/4])
		a.Src, a.Pixel, a.Before, a.Behind = &p.Zero[0], 0, &p.Zero[0], &p.Zero[0]
		if at := p.RowAt(band, i, line); at >= 0 {
			at = at*of.channels + of.block*16
			a.Src, a.Pixel = &of.data[at], pixel
			if strip > 0 {
				a.Before = &of.data[at-of.channels]
			}
			if strip+1 < p.Strips {
				a.Behind = &of.data[at+2*p.Across*of.channels]
			}
		}
		elements(a)
	}
	a.Pixel = pixel
}

// RowAt is where a line begins in a piece of a band, the first pixel, or -1 if the
// piece has no such row. The rows above and below are among a piece's lines.
func (p *Grad) RowAt(band, i, line int) int {
	piece := band/p.Strips*p.Together + i
	y := piece%p.Pieces*p.Band + line
	if piece >= p.Conv.N*p.Pieces || uint(y) >= uint(p.Conv.H) {
		return -1
	}
	return (piece/p.Pieces*p.Conv.H+y)*p.Conv.W + band%p.Strips*2*p.Across
}

// fetch brings a line into the second-level cache.
func (p *Grad) fetch(of operand, band, line int) {
	for i := range p.Together {
		if at := p.RowAt(band, i, line); at >= 0 {
			p.Prefetch(&of.data[at*of.channels+of.block*16], of.channels*4, of.blocks, 2*p.Across)
		}
	}
}

// fetchBand is what to fetch during the products before a band: operands whose channels
// the task takes all of.
func (p *Grad) fetchBand(w *rowsGradWorker, a *plans.Args, band int) {
	if p.ColGroups == 1 {
		p.fetchLines(w, a.X, p.Conv.C, band, -1, p.Band+1)
	}
	if p.RowGroups == 1 {
		p.fetchLines(w, a.W, p.Conv.O, band, 0, p.Band)
	}
}

// fetchLines adds lines first … last-1 of a band to what is to be fetched.
func (p *Grad) fetchLines(w *rowsGradWorker, data []float32, channels, band, first, last int) {
	for i := range p.Together {
		for line := first; line < last; line++ {
			if at := p.RowAt(band, i, line); at >= 0 {
				from := kernels.AddressOf(data[at*channels:])
				w.ahead.Add(from, from+uintptr(2*p.Across*channels*4))
			}
		}
	}
}
