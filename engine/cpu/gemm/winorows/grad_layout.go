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

// layOutX makes Bᵀ d of the steps that a K block meets, from the one above its first to the
// one below its last.
func (p *Grad) layOutX(w *rowsGradWorker, x operand, dst []uint32, kBlock int) {
	w.pairs = kernels.PixelPairsArgs{
		Pixel: p.Conv.C * 4, Next: 64, Xi: p.offsetX(0, 1, 0) * 4, Low: kernels.TileWords * 4,
		Block: p.offsetX(1, 0, 0) * 4, Blocks: x.blocks,
	}
	for step := range p.BlockSteps + 2 {
		if step <= p.BlockSteps {
			p.fetch(x, kBlock, step)
		}
		p.step(w, x, kBlock, step-1, dst[p.offsetX(0, 0, step):], p.PixelPairs)
	}
}

// layOutY makes A e of a K block, transposed.
func (p *Grad) layOutY(w *rowsGradWorker, dy operand, dst []uint32, kBlock int) {
	for from := 0; from < dy.blocks; from += rowsGradBlocks {
		n := min(rowsGradBlocks, dy.blocks-from)
		some := operand{dy.data, dy.channels, dy.block + from, n}
		apart := 16 * (n | 1) // words, an odd number of cache lines
		w.pairs = kernels.PixelPairsArgs{
			Pixel: p.Conv.O * 4, Next: apart * 4, Xi: 2 * 16 * apart * 4, Low: 16 * apart * 4, Block: 64, Blocks: n,
		}
		for step := range p.BlockSteps {
			if step+1 < p.BlockSteps {
				p.fetch(some, kBlock, step+1)
			}
			p.step(w, some, kBlock, step, w.memory, p.GradPairs)
			for i := range 4 * n {
				xi, k := i%4, i/4
				to, src := dst[p.offsetY(from+k, xi, step):], w.memory[xi*2*16*apart+k*16:]
				p.Transpose(&to[0], 64, &src[0], apart*4)
				p.Transpose(&to[kernels.TileWords], 64, &src[16*apart], apart*4)
			}
		}
	}
}

// step makes the elements of a step of x or dy.
func (p *Grad) step(w *rowsGradWorker, of operand, kBlock, step int, dst []uint32, elements func(*kernels.PixelPairsArgs)) {
	a := &w.pairs
	a.Count = p.Across / 2
	pixel, owBlock := a.Pixel, kBlock%p.OWBlocks
	for i := range p.Together {
		a.Dst = unsafe.Pointer(&dst[i*a.Count*a.Next/4])
		a.Src, a.Pixel, a.Before, a.Behind = &p.Zero[0], 0, &p.Zero[0], &p.Zero[0]
		if at := p.RowAt(kBlock, i, step); at >= 0 {
			at = at*of.channels + of.block*16
			a.Src, a.Pixel = &of.data[at], pixel
			if owBlock > 0 {
				a.Before = &of.data[at-of.channels]
			}
			if owBlock+1 < p.OWBlocks {
				a.Behind = &of.data[at+2*p.Across*of.channels]
			}
		}
		elements(a)
	}
	a.Pixel = pixel
}

// RowAt is where a step begins in the i-th block of rows of a K block, the first pixel, or
// -1 if that has no such row. The rows above and below are among its steps.
func (p *Grad) RowAt(kBlock, i, step int) int {
	ohBlock := kBlock/p.OWBlocks*p.Together + i
	y := ohBlock%p.OHBlocks*p.BlockSteps + step
	if ohBlock >= p.Conv.N*p.OHBlocks || uint(y) >= uint(p.Conv.H) {
		return -1
	}
	return (ohBlock/p.OHBlocks*p.Conv.H+y)*p.Conv.W + kBlock%p.OWBlocks*2*p.Across
}

// fetch brings a step into the second-level cache.
func (p *Grad) fetch(of operand, kBlock, step int) {
	for i := range p.Together {
		if at := p.RowAt(kBlock, i, step); at >= 0 {
			p.Prefetch(&of.data[at*of.channels+of.block*16], of.channels*4, of.blocks, 2*p.Across)
		}
	}
}

// fetchKBlock is what to fetch during the products before a K block: operands whose channels
// the task takes all of.
func (p *Grad) fetchKBlock(w *rowsGradWorker, a *plans.Args, kBlock int) {
	if p.ColBlocks == 1 {
		p.fetchSteps(w, a.X, p.Conv.C, kBlock, -1, p.BlockSteps+1)
	}
	if p.RowBlocks == 1 {
		p.fetchSteps(w, a.W, p.Conv.O, kBlock, 0, p.BlockSteps)
	}
}

// fetchSteps adds steps first … last-1 of a K block to what is to be fetched.
func (p *Grad) fetchSteps(w *rowsGradWorker, data []float32, channels, kBlock, first, last int) {
	for i := range p.Together {
		for step := first; step < last; step++ {
			if at := p.RowAt(kBlock, i, step); at >= 0 {
				from := kernels.AddressOf(data[at*channels:])
				w.ahead.Add(from, from+uintptr(2*p.Across*channels*4))
			}
		}
	}
}
