package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/graph"
)

// writesHalf tells whether a node's step can write bfloat16.
func (c *compiler) writesHalf(n *graph.Node) bool {
	switch n.Op.(type) {
	case graph.LayerNorm:
		return c.uses[n.Output(1)] == 0
	case graph.GEGLU:
		product := c.fused.gated[n]
		return product != nil && c.matMul(product).TakesHalf(c.prec)
	}
	return false
}

// halved tells whether a value is read by products alone, and all of those would round
// it to bfloat16.
func (c *compiler) halved(v graph.Value, users map[graph.Value][]*graph.Node) bool {
	if c.uses[v] == 0 || c.uses[v] != len(users[v]) { // it is an output
		return false
	}
	for _, n := range users[v] {
		switch n.Op.(type) {
		case graph.Reshape:
			if !c.halved(n.Output(0), users) {
				return false
			}
		case graph.MatMul:
			for k, in := range n.Inputs {
				if in == v && (k > 0 || !c.matMul(n).TakesHalf(c.prec)) {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}

// isHalf tells whether a value, perhaps in another shape, is bfloat16.
func (c *compiler) isHalf(v graph.Value) bool { return c.fused.halves[unshaped(v.Node).Output(0)] }

// matMul is the product of a node.
func (c *compiler) matMul(n *graph.Node) gemm.MatMul {
	op := n.Op.(graph.MatMul)
	x, w := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	last := x[len(x)-1]
	s := gemm.MatMul{M: x.Size() / last, K: last, N: w[len(w)-1], TransA: op.TransA, TransB: op.TransB, Normed: c.fused.normed[n] != nil}
	if op.TransA {
		s.M, s.K = s.K, s.M
	}
	if op.TransB {
		s.N = w[0]
	}
	return s
}

// words is the memory of a value, in float32 words.
func (c *compiler) words(v graph.Value) int {
	n := v.Shape().Size()
	if c.fused.halves[v] {
		return (n + 1) / 2
	}
	return n
}
