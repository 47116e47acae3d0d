package graph

// GradientsWithin is Gradients with less memory and more work: the computation of
// the loss is cut into so many segments of about equal size, and for the
// gradient each but the last is computed again from what crosses the cuts (Chen et
// al., arXiv 1604.06174). What is computed again has the same values. Fewer than
// two segments are Gradients.
func (g *Graph) GradientsWithin(segments int, loss Value, wrt []Value) []Value {
	if segments < 2 || g.err != nil {
		return g.Gradients(loss, wrt)
	}
	r := &recomputation{g: g, segment: make([]int, len(g.nodes)), last: segments - 1, again: map[*Node]*Node{}}
	needed := g.dependents(wrt)
	size := func(n *Node) (sum int) {
		if needed[n.ID] && !r.stays(n) {
			for _, out := range n.Out {
				sum += out.Shape.Size()
			}
		}
		return sum
	}
	total, sum := 1, 0
	for _, n := range g.nodes[:loss.Node.ID+1] {
		total += size(n)
	}
	for id, n := range g.nodes {
		r.segment[id] = min(sum*segments/total, r.last)
		sum += size(n)
	}
	return g.gradients(loss, wrt, r.node)
}

// recomputation adds nodes of a segment once more, for the gradient alone.
type recomputation struct {
	g       *Graph
	segment []int // by node
	last    int   // the segment whose values are still there
	again   map[*Node]*Node
}

// stays tells whether a node is not to be computed again: leaves, and what has
// an effect.
func (r *recomputation) stays(n *Node) bool {
	switch n.Op.(type) {
	case Input, Param, Fill, AdamW, EMA:
		return true
	}
	return n.ID >= len(r.segment) // of a gradient
}

// node is the node to take the gradient of in the place of n: one whose inputs
// are computed again from the cut before its segment.
func (r *recomputation) node(n *Node) *Node {
	if r.stays(n) || r.segment[n.ID] == r.last {
		return n
	}
	if a := r.again[n]; a != nil {
		return a
	}
	inputs := make([]Value, len(n.Inputs))
	for i, in := range n.Inputs {
		inputs[i] = in
		if m := in.Node; !r.stays(m) && r.segment[m.ID] == r.segment[n.ID] {
			inputs[i] = Value{r.node(m), in.Index}
		}
	}
	before := r.g.SetScope(n.Scope)
	defer r.g.SetScope(before)
	a := r.g.add(n.Op, inputs...)
	r.again[n] = a
	return a
}
