package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/layer"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
)

// lowerTokens plans the merging of tokens.
func (c *compiler) lowerTokens(n *graph.Node) lowered {
	x := n.Inputs[0].Shape()
	switch op := n.Op.(type) {
	case graph.MatchTokens:
		m := layer.MatchTokens{N: x[0], H: op.H, W: op.W, C: x[2], Merged: op.Merged, Top: op.Top, Left: op.Left}
		return lowered{scratch: m.ScratchLen(c.workers), bind: func(b *binding) []par.Phase {
			return m.Forward(b.in[0], b.outInts[0], b.scratch, c.workers)
		}}
	case graph.MergeTokens:
		t := layer.Tokens{N: x[0], S: x[1], Places: op.Places, C: x[2]}
		return bound(func(b *binding) []par.Phase { return t.Merge(b.in[0], b.ints[1], b.out[0], c.workers) })
	}
	t := layer.Tokens{N: x[0], S: n.Out[0].Shape[1], Places: x[1], C: x[2]}
	return bound(func(b *binding) []par.Phase { return t.Unmerge(b.in[0], b.ints[1], b.out[0]) })
}
