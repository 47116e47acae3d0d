package graph

// Gradients returns d(loss)/d(v) for each v of wrt by reverse accumulation. The
// loss must be a scalar. A value that the loss does not depend on gets zeros.
func (g *Graph) Gradients(loss Value, wrt []Value) []Value {
	return g.gradients(loss, wrt, func(n *Node) *Node { return n })
}

// gradients takes the gradient of each node at the one that stands for it.
func (g *Graph) gradients(loss Value, wrt []Value, standIn func(*Node) *Node) []Value {
	if g.err != nil {
		return make([]Value, len(wrt))
	}
	if loss.Shape().Size() != 1 {
		g.Fail("gradient of a value of shape %v: want a scalar", loss.Shape())
		return make([]Value, len(wrt))
	}
	needed := g.dependents(wrt)
	acc := map[Value]Value{loss: g.Fill(1, loss.Shape()...)}
	defer g.SetScope(g.scope)
	for id := loss.Node.ID; id >= 0 && g.err == nil; id-- {
		n := g.nodes[id]
		op, ok := n.Op.(differentiable)
		if !ok || !needed[id] {
			continue
		}
		dy := make([]Value, len(n.Out))
		any := false
		for i := range dy {
			dy[i] = acc[n.Output(i)]
			any = any || dy[i].Valid()
		}
		if !any {
			continue
		}
		g.SetScope(n.Scope)
		for i, d := range op.grad(g, standIn(n), dy) {
			in := n.Inputs[i]
			if !d.Valid() || !needed[in.Node.ID] {
				continue
			}
			if before, ok := acc[in]; ok {
				d = g.Add(before, d)
			}
			acc[in] = d
		}
	}
	out := make([]Value, len(wrt))
	for i, v := range wrt {
		out[i] = acc[v]
		if !out[i].Valid() {
			out[i] = g.Fill(0, v.Shape()...)
		}
	}
	return out
}

// dependents marks the nodes whose value depends on any of vs, and vs themselves.
func (g *Graph) dependents(vs []Value) []bool {
	mark := make([]bool, len(g.nodes))
	for _, v := range vs {
		mark[v.Node.ID] = true
	}
	for _, n := range g.nodes {
		for _, in := range n.Inputs {
			mark[n.ID] = mark[n.ID] || mark[in.Node.ID]
		}
	}
	return mark
}
