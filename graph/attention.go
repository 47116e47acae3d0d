package graph

import "fmt"

// Attention is softmax(Scale·q·kᵀ)·v for each of Heads heads, whose channels
// lie side by side (head-major).
//
//	q    [N, T, Heads·D]
//	k,v  [N, S, Heads·D]
//	y    as q
//	lse  [N, Heads, T], the logarithm of each row's sum of exponentials, for the gradient
//
// With Causal, position t sees positions 0 … t alone (T = S).
type Attention struct {
	Heads  int
	Scale  float32
	Causal bool
}

func (op Attention) infer(in []Type) ([]Type, error) {
	if err := want(in, 3); err != nil {
		return nil, err
	}
	q, k := in[0].Shape, in[1].Shape
	if len(q) != 3 || len(k) != 3 || q[0] != k[0] || q[2] != k[2] || op.Heads < 1 || q[2]%op.Heads != 0 || op.Causal && q[1] != k[1] {
		return nil, fmt.Errorf("queries %v and keys %v with %d heads", q, k, op.Heads)
	}
	return []Type{in[0], float(q[0], op.Heads, q[1])}, wantShape(in, 2, "values", k...)
}

func (op Attention) grad(g *Graph, n *Node, dy []Value) []Value {
	in := n.Inputs
	d := g.add(AttentionGrad(op), in[0], in[1], in[2], n.Output(0), n.Output(1), dy[0])
	return []Value{d.Output(0), d.Output(1), d.Output(2)}
}

// AttentionGrad gives dq, dk and dv from q, k, v, y, lse and dy.
type AttentionGrad struct {
	Heads  int
	Scale  float32
	Causal bool
}

func (op AttentionGrad) infer(in []Type) ([]Type, error) { return in[:3], want(in, 6) }

// Attention attends from q [N, T, Heads·D] to k and v [N, S, Heads·D].
func (g *Graph) Attention(q, k, v Value, op Attention) Value { return g.one(op, q, k, v) }

// GEGLU halves the last axis: value · GELU(gate) for x = [value, gate].
type GEGLU struct{}

func (op GEGLU) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) < 1 || s[len(s)-1]%2 != 0 {
		return nil, fmt.Errorf("the last axis of %v is not even", s)
	}
	return []Type{float(withLast(s, s[len(s)-1]/2)...)}, nil
}

func (op GEGLU) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.one(GEGLUGrad{}, n.Inputs[0], dy[0])}
}

// GEGLUGrad is the gradient of GEGLU from x and dy.
type GEGLUGrad struct{}

func (op GEGLUGrad) infer(in []Type) ([]Type, error) { return in[:1], want(in, 2) }

// GEGLU returns value · GELU(gate) for x [..., 2D] = [value, gate].
func (g *Graph) GEGLU(x Value) Value { return g.one(GEGLU{}, x) }

// Softmax normalises the exponentials of the last axis.
type Softmax struct{}

func (op Softmax) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	if len(in[0].Shape) < 1 {
		return nil, fmt.Errorf("a scalar has no last axis")
	}
	return in, nil
}

func (op Softmax) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.one(SoftmaxGrad{}, n.Output(0), dy[0])}
}

// SoftmaxGrad is the gradient of Softmax from y and dy.
type SoftmaxGrad struct{}

func (op SoftmaxGrad) infer(in []Type) ([]Type, error) { return in[:1], want(in, 2) }

// Softmax normalises the exponentials of the last axis of x.
func (g *Graph) Softmax(x Value) Value { return g.one(Softmax{}, x) }
