package tiled

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// GradSum sums a product aᵀ·b over its rows, a block of them at a time: a gradient to
// weights, of an a [rows, M] and a b [rows, N] that are never there as a whole.
type GradSum struct{ p *tileGradW }

// NewGradSum plans for blocks of so many of the s.K rows, by one worker each.
func NewGradSum(s plans.MatMul, rows int, prec plans.Precision, workers int) *GradSum {
	c := plans.Conv{N: 1, H: 1, W: rows, C: s.M, O: s.N, KH: 1, KW: 1, Stride: 1}
	level := isa.Current()
	_, split := plans.UseTiles(prec.ForDepth(1, s.K, false), level)
	return &GradSum{newTileGradW(room{GradBytes, 1}, c, plans.Layout{Row: s.N, Col: 1}, workers, kernels.TilesFor(level), split)}
}

// SumsLen is the memory for sums, ScratchLen that of a worker, in float32 words.
func (g *GradSum) SumsLen() int { return g.blocks() * g.p.sums() }

func (g *GradSum) ScratchLen() int { return g.p.laidOut() }

func (g *GradSum) blocks() int { return g.p.count() }

// Sum sums the products of a block of rows, or adds them to the sums.
func (g *GradSum) Sum(sums, a, b, scratch []float32, add bool, worker int) {
	p := g.p
	args := plans.Args{X: a, W: b}
	if p.swapped {
		args.X, args.W = b, a
	}
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(scratch))), p.laidOut())
	for block := range g.blocks() { // one split, for one task at once
		p.task(&p.workers[worker], &args, words, sums[block*p.sums():][:p.sums()], share{0, block}, add)
	}
}

// Store returns the phase that adds up parts of the sums, in their order, and writes aᵀ·b.
func (g *GradSum) Store(name string, parts [][]float32, y []float32) par.Phase {
	p := g.p
	return par.Phase{Name: name, Tasks: g.blocks() * p.Tall * p.Wide, Run: func(task, worker int) {
		block, tile := task/(p.Tall*p.Wide), task%(p.Tall*p.Wide)
		row, col := p.First(block)
		row, col = row+tile/p.Wide, col+tile%p.Wide
		if row >= p.RowTiles || col >= p.ColTiles {
			return
		}
		at := block*p.sums() + tile*kernels.Side*kernels.Side
		total := parts[0][at:][:kernels.Side*kernels.Side]
		for _, part := range parts[1:] {
			vec.Add(total, total, part[at:])
		}
		p.store(&p.workers[worker], y, total, row, col)
	}}
}
