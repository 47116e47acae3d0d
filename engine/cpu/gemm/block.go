package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// BlockProduct is a product of a block of rows that one worker computes alone, on other
// operands at every run, within a larger computation, so that its numbers stay in that
// worker's caches.
type BlockProduct struct {
	plan   *plans.Plan
	args   plans.Args
	phases []par.Phase
}

// PlanBlock plans a product that is Tiled. Its weights are those packed by PlanMatMul's.
func PlanBlock(s plans.MatMul, prec plans.Precision) *BlockProduct {
	return &BlockProduct{plan: PlanMatMul(s, prec, 0)}
}

// ScratchLen is the memory of a run, in float32 words.
func (p *BlockProduct) ScratchLen() int { return p.plan.ScratchLen }

// Bind names what is the same in every run.
func (p *BlockProduct) Bind(packed, bias, scratch []float32) {
	p.args = plans.Args{W: packed, Bias: bias, Scratch: scratch}
	p.phases = p.plan.Over(&p.args)
}

// Run computes y from x, and adds add to it if that is not nil.
func (p *BlockProduct) Run(x, y, add []float32) {
	p.args.X, p.args.Y, p.args.Add = x, y, add
	for i := range p.phases {
		for task := range p.phases[i].Tasks {
			p.phases[i].Run(task, 0)
		}
	}
}
