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

// fuse finds what can be computed together: see rules.
func (c *compiler) fuse(nodes []*graph.Node) {
	type pairs = map[*graph.Node]*graph.Node
	type feeds = map[*graph.Node]*feedForward
	c.fused = fusions{map[*graph.Node]fusion{}, pairs{}, pairs{}, pairs{}, pairs{}, map[graph.Value]bool{}, feeds{}, feeds{}, map[*graph.Node]bool{}}
	users := map[graph.Value][]*graph.Node{}
	for _, n := range nodes {
		for _, v := range n.Inputs {
			users[v] = append(users[v], n)
		}
	}
	for _, pass := range rules {
		for _, n := range nodes {
			pass.apply(&match{compiler: c, node: n, users: users})
		}
	}
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
