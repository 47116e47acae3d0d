package cpu

import (
	"slices"

	"github.com/ldm-go/ldm/graph"
)

// fusions says which nodes are computed by the step of another.
type fusions struct {
	// sums are additions made by the product before them.
	sums map[*graph.Node]fusion
	// enlarged are convolutions that alone read an enlarged picture: they read
	// the small one, and the large one is never made.
	enlarged map[*graph.Node]*graph.Node
	// shifted are group norms (and their gradients) of x + e, with a number e for
	// every channel of a picture, the time embedding: the means take e in, and
	// the sum is never made.
	shifted map[*graph.Node]*graph.Node
	// gated are GEGLUs that alone read a product: it writes value·GELU(gate).
	gated map[*graph.Node]*graph.Node
	// normed are products that alone read a group norm: they normalise the picture
	// as they read it, and the normalised one is never made.
	normed map[*graph.Node]*graph.Node
	// halves are values in bfloat16: those that products alone read, which would round
	// them to that, and that are written by a GEGLU or a layer norm.
	halves map[graph.Value]bool
	// feeds are the feed-forwards by their second product, feedGrads by the node with
	// which their gradient begins.
	feeds, feedGrads map[*graph.Node]*feedForward
	// inside are the nodes without a step of their own.
	inside map[*graph.Node]bool
}

// fusion is a product whose result is only added to another value.
type fusion struct {
	product *graph.Node
	add     graph.Value
}

// fuse finds what can be computed together.
func (c *compiler) fuse(nodes []*graph.Node) {
	f := &c.fused
	type pairs = map[*graph.Node]*graph.Node
	type feeds = map[*graph.Node]*feedForward
	*f = fusions{map[*graph.Node]fusion{}, pairs{}, pairs{}, pairs{}, pairs{}, map[graph.Value]bool{}, feeds{}, feeds{}, map[*graph.Node]bool{}}
	users := map[graph.Value][]*graph.Node{}
	for _, n := range nodes {
		for _, v := range n.Inputs {
			users[v] = append(users[v], n)
		}
	}
	for _, n := range nodes {
		if _, ok := n.Op.(graph.GEGLU); ok {
			c.fuseFeedForward(n, users)
		}
	}
	for _, n := range nodes {
		switch n.Op.(type) {
		case graph.Binary:
			if s, ok := c.sumOf(n); ok {
				f.sums[n] = s
				f.inside[s.product] = true
			} else if c.shifts(n, users[n.Output(0)]) {
				for _, norm := range users[n.Output(0)] {
					f.shifted[norm] = n
				}
				f.inside[n] = true
			}
		case graph.Conv2D:
			v := n.Inputs[0]
			if _, ok := v.Node.Op.(graph.Upsample); ok && c.uses[v] == 1 {
				f.enlarged[n] = v.Node
				f.inside[v.Node] = true
			}
			c.fuseNorm(n)
		case graph.MatMul:
			c.fuseNorm(n)
		case graph.GEGLU:
			v := n.Inputs[0]
			if op, ok := v.Node.Op.(graph.MatMul); ok && !op.TransA && c.uses[v] == 1 {
				f.gated[n] = v.Node
				f.inside[v.Node] = true
			}
		}
	}
	for _, n := range nodes {
		if c.writesHalf(n) && c.halved(n.Output(0), users) {
			f.halves[n.Output(0)] = true
		}
	}
}

// sumOf takes n for the addition behind a product.
func (c *compiler) sumOf(n *graph.Node) (fusion, bool) {
	if op := n.Op.(graph.Binary); op.Fn != graph.Add || !n.Inputs[0].Shape().Equal(n.Inputs[1].Shape()) {
		return fusion{}, false
	}
	best := -1 // the later one, so that what the other reads is free sooner
	for i, v := range n.Inputs {
		if c.uses[v] == 1 && fusible(v.Node) && !c.fused.inside[v.Node] && (best < 0 || v.Node.ID > n.Inputs[best].Node.ID) {
			best = i
		}
	}
	if best < 0 {
		return fusion{}, false
	}
	return fusion{n.Inputs[best].Node, n.Inputs[1-best]}, true
}

func fusible(n *graph.Node) bool {
	switch op := n.Op.(type) {
	case graph.Conv2D, graph.Conv2DGradX:
		return true
	case graph.MatMul:
		return !op.TransA
	}
	return false
}

// shifts tells whether n adds [N, 1, …, C] to [N, …, C] for group norms alone.
func (c *compiler) shifts(n *graph.Node, users []*graph.Node) bool {
	x, e := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	last := len(x) - 1
	if n.Op.(graph.Binary).Fn != graph.Add || len(e) != len(x) || last < 1 || e[0] != x[0] || e[last] != x[last] || e.Size() != x[0]*x[last] {
		return false
	}
	v := n.Output(0)
	return len(users) > 0 && c.uses[v] == len(users) && !slices.ContainsFunc(users, func(u *graph.Node) bool {
		switch u.Op.(type) {
		case graph.GroupNorm, graph.GroupNormGrad:
			return u.Inputs[0] != v
		}
		return true
	})
}

// inputs are the values that a node's step reads: those of the node, where it
// reads past another, and last what that one adds or normalises with.
func (c *compiler) inputs(n *graph.Node) []graph.Value {
	in := slices.Clone(n.Inputs)
	if up := c.fused.enlarged[n]; up != nil {
		in[0] = up.Inputs[0]
	}
	if add := c.fused.shifted[n]; add != nil {
		in[0] = add.Inputs[0]
		in = append(in, add.Inputs[1])
	}
	if norm := c.fused.normed[n]; norm != nil {
		of := c.inputs(norm)
		in[0] = of[0]
		in = append(in, of[1:]...)
	}
	return in
}
