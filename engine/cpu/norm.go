package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/layer"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
)

func (c *compiler) takesNorm(n *graph.Node) bool {
	x, w := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	switch op := n.Op.(type) {
	case graph.Conv2D:
		return c.prec.TakesNorm(w[2]*w[3], w[1], c.trains(n))
	case graph.MatMul:
		return !op.TransA && c.prec.TakesNorm(1, x[len(x)-1], false)
	}
	return false
}

// groupNorm is the kernel of a group norm or its gradient.
func groupNorm(op graph.GroupNorm, s graph.Shape) layer.GroupNorm {
	c := s[len(s)-1]
	return layer.GroupNorm{N: s[0], P: s.Size() / s[0] / c, C: c, Groups: op.Groups, Eps: op.Eps, SiLU: op.SiLU}
}

// norm is a group norm that the product behind it makes as it reads.
type norm struct {
	layer.GroupNorm
	first   int  // of the step's inputs, of which x is that of the product: gamma, beta
	shifted bool // and e
	workers int
}

// normOf is the group norm before a product, nil if there is none.
func (c *compiler) normOf(n *graph.Node) *norm {
	before := c.fused.normed[n]
	if before == nil {
		return nil
	}
	g := groupNorm(before.Op.(graph.GroupNorm), before.Inputs[0].Shape())
	return &norm{g, len(n.Inputs), c.fused.shifted[before] != nil, c.workers}
}

// scratch is the memory for the coefficients, and then for the moments that they are
// made from or for the product.
func (m *norm) scratch(product int) int {
	return roundUp(m.CoefLen(), align) + max(m.ScratchLen(m.workers), product)
}

// bind gives args the coefficients, and less scratch memory.
func (m *norm) bind(b *binding, a *gemm.Args) []par.Phase {
	coef, rest := b.scratch[:m.CoefLen()], b.scratch[roundUp(m.CoefLen(), align):]
	gamma, beta := b.in[m.first], b.in[m.first+1]
	var e []float32
	if m.shifted {
		e = b.in[m.first+2]
	}
	a.Scratch = rest
	a.Norm = gemm.Norm{Coef: coef, Beta: beta, Rows: m.P, SiLU: m.SiLU}
	return m.Coefficients(layer.NormArgs{X: a.X, Added: e, Gamma: gamma}, coef, rest, m.workers)
}
