package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Tiled tells whether tiles make a product, so that Piece and GradSum serve it.
func (s MatMul) Tiled(prec Precision) bool {
	use, _ := useTiles(prec.forDepth(1, s.K, false), isa.Current())
	return use
}

// Piece is a product of some rows that one worker computes alone, on other operands at
// every run: a part of a larger computation, whose numbers stay in that worker's caches.
type Piece struct {
	plan   *Plan
	args   Args
	phases []par.Phase
}

// PlanPiece plans a product that is Tiled. Its weights are those packed by PlanMatMul's.
func PlanPiece(s MatMul, prec Precision) *Piece { return &Piece{plan: PlanMatMul(s, prec, 0)} }

// ScratchLen is the memory of a piece, in float32 words.
func (p *Piece) ScratchLen() int { return p.plan.ScratchLen }

// Bind names what is the same in every run.
func (p *Piece) Bind(packed, bias, scratch []float32) {
	p.args = Args{W: packed, Bias: bias, Scratch: scratch}
	p.phases = p.plan.over(&p.args)
}

// Run computes y from x, and adds add to it if that is not nil.
func (p *Piece) Run(x, y, add []float32) {
	p.args.X, p.args.Y, p.args.Add = x, y, add
	for i := range p.phases {
		for task := range p.phases[i].Tasks {
			p.phases[i].Run(task, 0)
		}
	}
}

// GradSum sums a product aᵀ·b over its rows, a piece of them at a time: a gradient to
// weights, of an a [rows, M] and a b [rows, N] that are never there as a whole.
type GradSum struct{ p *tileGradW }

// NewGradSum plans for pieces of so many of the s.K rows, by one worker each.
func NewGradSum(s MatMul, piece int, prec Precision, workers int) *GradSum {
	c := Conv{N: 1, H: 1, W: piece, C: s.M, O: s.N, KH: 1, KW: 1, Stride: 1}
	level := isa.Current()
	_, split := useTiles(prec.forDepth(1, s.K, false), level)
	return &GradSum{newTileGradW(gradBytes, 1, c, layout{row: s.N, col: 1}, workers, kernels.TilesFor(level), split)}
}

// SumsLen is the memory for sums, ScratchLen that of a worker, in float32 words.
func (g *GradSum) SumsLen() int    { return g.groups() * g.p.sums() }
func (g *GradSum) ScratchLen() int { return g.p.laidOut() }

func (g *GradSum) groups() int { return g.p.count() }

// Sum sums the products of a piece, or adds them to the sums.
func (g *GradSum) Sum(sums, a, b, scratch []float32, add bool, worker int) {
	p := g.p
	args := Args{X: a, W: b}
	if p.swapped {
		args.X, args.W = b, a
	}
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(scratch))), p.laidOut())
	for group := range g.groups() { // one split, for one task at once
		p.task(&p.workers[worker], &args, words, sums[group*p.sums():][:p.sums()], 0, group, add)
	}
}

// Store returns the phase that adds up parts of the sums, in their order, and writes aᵀ·b.
func (g *GradSum) Store(name string, parts [][]float32, y []float32) par.Phase {
	p := g.p
	return par.Phase{Name: name, Tasks: g.groups() * p.tall * p.wide, Run: func(task, worker int) {
		group, tile := task/(p.tall*p.wide), task%(p.tall*p.wide)
		row, col := p.first(group)
		row, col = row+tile/p.wide, col+tile%p.wide
		if row >= p.rowTiles || col >= p.colTiles {
			return
		}
		at := group*p.sums() + tile*kernels.Side*kernels.Side
		total := parts[0][at:][:kernels.Side*kernels.Side]
		for _, part := range parts[1:] {
			vec.Add(total, total, part[at:])
		}
		p.store(&p.workers[worker], y, total, row, col)
	}}
}
