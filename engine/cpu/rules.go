package cpu

import (
	"slices"

	"github.com/ldm-go/ldm/graph"
)

// rule is a fusion. A node whose operation fits the pattern, and that meets the condition,
// is computed together with its neighbours: result says how.
type rule struct {
	name      string
	pattern   func(graph.Op) bool
	condition func(*match) bool // it notes in the match what result needs
	result    func(*match)
}

// match is a node that a rule is tried on, and what its condition found.
type match struct {
	*compiler
	node  *graph.Node
	users map[graph.Value][]*graph.Node

	other  *graph.Node   // the product of a sum, the picture before it is enlarged, the norm before a product
	add    graph.Value   // what is added to a product
	inside []*graph.Node // nodes without a step of their own
	feed   *feedForward
}

// pass are rules of which a node takes the first that it meets.
type pass []rule

// rules are the fusions, pass after pass over all nodes. To add one, give it a line here,
// a field in fusions, and a case where its step is lowered.
var rules = []pass{
	{
		{"feed-forward and its gradient", is[graph.GEGLU], (*match).feedForward, (*match).fuseFeedForward},
	},
	{
		{"product + x", is[graph.Binary], (*match).sum, (*match).fuseSum},
		{"group norm of x + e", is[graph.Binary], (*match).shifts, (*match).fuseShift},
		{"convolution of an enlarged picture", is[graph.Conv2D], (*match).enlarged, (*match).fuseEnlarged},
		{"product of a group norm", isConvOrMatMul, (*match).normed, (*match).fuseNorm},
		{"GEGLU of a product", is[graph.GEGLU], (*match).gated, (*match).fuseGate},
	},
	{
		{"layer norm or GEGLU as bfloat16", isHalfWriter, (*match).halved, (*match).fuseHalf},
	},
}

func (p pass) apply(m *match) {
	for _, r := range p {
		if r.pattern(m.node.Op) && r.condition(m) {
			r.result(m)
			return
		}
	}
}

// alone tells whether one node alone reads a value.
func (m *match) alone(v graph.Value) bool { return m.uses[v] == 1 }

func is[T graph.Op](op graph.Op) bool {
	_, ok := op.(T)
	return ok
}

func isConvOrMatMul(op graph.Op) bool { return is[graph.Conv2D](op) || is[graph.MatMul](op) }
func isHalfWriter(op graph.Op) bool   { return is[graph.LayerNorm](op) || is[graph.GEGLU](op) }

// sum: an addition of one shape, behind a product that it alone reads; of two products
// the later one, so that what the other reads is free sooner.
func (m *match) sum() bool {
	n := m.node
	if n.Op.(graph.Binary).Fn != graph.Add || !n.Inputs[0].Shape().Equal(n.Inputs[1].Shape()) {
		return false
	}
	for i, v := range n.Inputs {
		if m.alone(v) && adds(v.Node.Op) && !m.fused.inside[v.Node] && (m.other == nil || v.Node.ID > m.other.ID) {
			m.other, m.add = v.Node, n.Inputs[1-i]
		}
	}
	return m.other != nil
}

// adds tells whether the step of a product can add to its result.
func adds(op graph.Op) bool {
	switch op := op.(type) {
	case graph.Conv2D, graph.Conv2DGradX:
		return true
	case graph.MatMul:
		return !op.TransA
	}
	return false
}

func (m *match) fuseSum() {
	m.fused.sums[m.node] = fusion{m.other, m.add}
	m.fused.inside[m.other] = true
}

// shifts: the sum of [N, …, C] and [N, 1, …, C], for group norms and their gradients alone.
func (m *match) shifts() bool {
	n := m.node
	x, e := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	last := len(x) - 1
	if n.Op.(graph.Binary).Fn != graph.Add || len(e) != len(x) || last < 1 || e[0] != x[0] || e[last] != x[last] || e.Size() != x[0]*x[last] {
		return false
	}
	v := n.Output(0)
	return len(m.users[v]) > 0 && m.uses[v] == len(m.users[v]) && !slices.ContainsFunc(m.users[v], func(u *graph.Node) bool {
		norm := is[graph.GroupNorm](u.Op) || is[graph.GroupNormGrad](u.Op)
		return !norm || u.Inputs[0] != v
	})
}

func (m *match) fuseShift() {
	for _, norm := range m.users[m.node.Output(0)] {
		m.fused.shifted[norm] = m.node
	}
	m.fused.inside[m.node] = true
}

// enlarged: a convolution alone reads an enlarged picture.
func (m *match) enlarged() bool {
	m.other = m.node.Inputs[0].Node
	return is[graph.Upsample](m.other.Op) && m.alone(m.node.Inputs[0])
}

func (m *match) fuseEnlarged() {
	m.fused.enlarged[m.node] = m.other
	m.fused.inside[m.other] = true
}

// gated: a GEGLU alone reads a product.
func (m *match) gated() bool {
	m.other = m.node.Inputs[0].Node
	op, ok := m.other.Op.(graph.MatMul)
	return ok && !op.TransA && m.alone(m.node.Inputs[0])
}

func (m *match) fuseGate() {
	m.fused.gated[m.node] = m.other
	m.fused.inside[m.other] = true
}

// normed: a product of tiles alone reads a group norm, perhaps as rows of pixels, and no
// gradient wants the statistics.
func (m *match) normed() bool {
	n := m.node
	m.other = unshaped(n.Inputs[0].Node)
	x := n.Inputs[0].Shape()
	if !is[graph.GroupNorm](m.other.Op) || !m.takesNorm(n) || m.uses[m.other.Output(1)] > 0 {
		return false
	}
	if s := m.other.Inputs[0].Shape(); s[len(s)-1] != x[len(x)-1] {
		return false
	}
	for v := n.Inputs[0]; ; v = v.Node.Inputs[0] {
		if m.uses[v] > 1 {
			return false
		}
		m.inside = append(m.inside, v.Node)
		if v.Node == m.other {
			return true
		}
	}
}

func (m *match) fuseNorm() {
	m.fused.normed[m.node] = m.other
	for _, n := range m.inside {
		m.fused.inside[n] = true
	}
}

// halved: products alone read what a layer norm or a GEGLU writes, and would round it.
func (m *match) halved() bool {
	return m.writesHalf(m.node) && m.compiler.halved(m.node.Output(0), m.users)
}

func (m *match) fuseHalf() { m.fused.halves[m.node.Output(0)] = true }

// feedForward: a feed-forward and all of its gradient around a GEGLU, nothing between
// which anything else reads.
func (m *match) feedForward() bool {
	m.feed = feedForwardAround(m.node, m.users)
	return m.feed != nil && m.uses[m.feed.first.Output(0)] == 2 && m.uses[m.node.Output(0)] == 2 &&
		m.uses[m.feed.inner.Output(0)] == 1 && m.uses[m.feed.gateGrad.Output(0)] == 3 && m.feed.serves(m.prec)
}

func (m *match) fuseFeedForward() {
	f := m.feed
	m.fused.feeds[f.second] = f
	m.fused.feedGrads[f.begin()] = f
	for _, n := range append(f.gradients(), f.inner, f.gateGrad, f.first, f.gate) {
		m.fused.inside[n] = n != f.begin()
	}
}
