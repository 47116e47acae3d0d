package cpu

import (
	"slices"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/layer"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
)

// feedForward are the nodes of a feed-forward and of its gradient, where both are wanted
// and nothing else reads what lies between. Its forward pass is one step, and its
// gradient another: see layer.FeedForward.
type feedForward struct {
	layer.FeedForward
	first, gate, second        *graph.Node // x·Wᵀ + b, GEGLU, ·Vᵀ + c
	inner, gateGrad            *graph.Node // dy·V and the gradient to values and gates
	gradX, gradW, gradB, gradV *graph.Node
}

// feedForwardAround is the feed-forward around a GEGLU with its gradient, nil if there is
// none. Each node is found from one that is known, by the operation and operands that it
// must have.
func feedForwardAround(gate *graph.Node, users map[graph.Value][]*graph.Node) *feedForward {
	f := &feedForward{gate: gate, first: gate.Inputs[0].Node}
	f.gateGrad = find(users[gate.Inputs[0]], func(n *graph.Node) bool { return is[graph.GEGLUGrad](n.Op) })
	if f.gateGrad == nil || !isLinear(f.first) {
		return nil
	}
	x, w := f.first.Inputs[0], f.first.Inputs[1]
	f.inner = f.gateGrad.Inputs[1].Node
	ofGate, ofGrad := users[gate.Output(0)], users[f.gateGrad.Output(0)]
	f.second = find(ofGate, isLinear)
	f.gradV = find(ofGate, func(n *graph.Node) bool { return isProduct(n, graph.MatMul{TransA: true}) })
	f.gradB = find(ofGrad, func(n *graph.Node) bool {
		op, ok := n.Op.(graph.Reduce)
		return ok && op.Fn == graph.ReduceSum && n.Out[0].Shape.Size() == w.Dim(0)
	})
	f.gradX = find(ofGrad, func(n *graph.Node) bool { return isProduct(n, graph.MatMul{}) && n.Inputs[1] == w })
	f.gradW = find(ofGrad, func(n *graph.Node) bool { return isProduct(n, graph.MatMul{TransA: true}) && n.Inputs[1] == x })
	if !f.complete() {
		return nil
	}
	return f
}

// find is the last of some nodes that fits, nil if none does.
func find(nodes []*graph.Node, fits func(*graph.Node) bool) *graph.Node {
	for _, n := range slices.Backward(nodes) {
		if fits(n) {
			return n
		}
	}
	return nil
}

// serves tells whether the layer computes a feed-forward of this shape.
func (f *feedForward) serves(prec gemm.Precision) bool {
	x, w := f.first.Inputs[0], f.first.Inputs[1]
	f.FeedForward = layer.FeedForward{Rows: x.Shape().Size() / w.Dim(1), C: w.Dim(1), Inner: w.Dim(0) / 2, D: f.second.Inputs[1].Dim(0), Precision: prec}
	return f.Serves()
}

// complete tells whether all nodes are there and fit together.
func (f *feedForward) complete() bool {
	if f.second == nil || f.gradV == nil || f.gradX == nil || f.gradW == nil || f.gradB == nil {
		return false
	}
	dy, v := f.gradV.Inputs[0], f.second.Inputs[1]
	return isProduct(f.inner, graph.MatMul{}) && f.inner.Inputs[0] == dy && f.inner.Inputs[1] == v && f.gradV.Inputs[1] == f.gate.Output(0)
}

// isLinear tells whether a node is x·wᵀ + bias.
func isLinear(n *graph.Node) bool {
	return isProduct(n, graph.MatMul{TransB: true}) && len(n.Inputs) == 3
}

func isProduct(n *graph.Node, op graph.MatMul) bool { return n.Op == graph.Op(op) }

// gradients are the nodes whose results the gradient's step writes.
func (f *feedForward) gradients() []*graph.Node {
	return []*graph.Node{f.gradX, f.gradW, f.gradB, f.gradV}
}

// begin is the node of the gradient that comes first: all of its operands are there.
func (f *feedForward) begin() *graph.Node {
	if f.gradV.ID < f.inner.ID {
		return f.gradV
	}
	return f.inner
}

// feedForwardStep is the forward pass, with the addition behind it.
func (c *compiler) feedForwardStep(n *graph.Node, f *feedForward, add []graph.Value) *step {
	s := &step{node: n, op: "FeedForward", name: f.first.Name(), outputs: []graph.Value{n.Output(0)}}
	s.inputs = append(append(append(s.inputs, f.first.Inputs...), f.second.Inputs[1:]...), add...)
	s.scratch, s.flops = f.ScratchLen(c.workers, false), f.Flops()
	if len(add) > 0 {
		s.inPlace = []int{len(s.inputs) - 1}
	}
	s.bind = func(b *binding) []par.Phase {
		var other []float32
		if len(add) > 0 {
			other = b.in[5]
		}
		p := layer.FeedForwardParams{W: b.in[1], B: b.in[2], V: b.in[3], Out: b.in[4]}
		return f.Forward(b.in[0], p, other, b.out[0], b.scratch, c.workers)
	}
	return s
}

// feedForwardGradStep is the gradient. That of c is a sum of its own.
func (c *compiler) feedForwardGradStep(f *feedForward) *step {
	s := &step{node: f.begin(), op: "FeedForwardGrad", name: f.first.Name()}
	s.inputs = append(append(s.inputs, f.first.Inputs...), f.second.Inputs[1], f.gradV.Inputs[0])
	for _, n := range f.gradients() {
		s.outputs = append(s.outputs, n.Output(0))
	}
	s.scratch, s.flops = f.ScratchLen(c.workers, true), f.GradFlops()
	s.bind = func(b *binding) []par.Phase {
		p := layer.FeedForwardParams{W: b.in[1], B: b.in[2], V: b.in[3]}
		d := layer.FeedForwardGrads{X: b.out[0], W: b.out[1], B: b.out[2], V: b.out[3]}
		return f.Backward(b.in[0], b.in[4], p, d, b.scratch, c.workers)
	}
	return s
}
