package graph

import "fmt"

// MatMul is a matrix product op(a)·op(b) + bias.
//
//	a     [..., M, K]; the axes before the last are taken together as rows.
//	      With TransA, a is [..., K] of which the rows are summed over: aᵀ.
//	b     [K, N], or [N, K] with TransB (the layout of PyTorch's Linear)
//	bias  [N], optional
//
// The result is [..., M, N], or [K, N] with TransA.
type MatMul struct{ TransA, TransB bool }

func (op MatMul) infer(in []Type) ([]Type, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	a, b := in[0].Shape, in[1].Shape
	if len(a) < 1 || len(b) != 2 && !op.TransA {
		return nil, fmt.Errorf("product of %v and %v: want [..., k] and two axes", a, b)
	}
	if op.TransA {
		rows := a.Size() / a[len(a)-1]
		if op.TransB || len(b) < 1 || b.Size()/b[len(b)-1] != rows || len(in) == 3 {
			return nil, fmt.Errorf("product of transposed %v and %v", a, b)
		}
		return []Type{float(a[len(a)-1], b[len(b)-1])}, nil
	}
	k, n := b[0], b[1]
	if op.TransB {
		k, n = n, k
	}
	if a[len(a)-1] != k {
		return nil, fmt.Errorf("product of %v and %v (second transposed: %v): inner axes differ", a, b, op.TransB)
	}
	if len(in) == 3 {
		if err := wantShape(in, 2, "bias", n); err != nil {
			return nil, err
		}
	}
	return []Type{float(withLast(a, n)...)}, nil
}

func (op MatMul) grad(g *Graph, n *Node, dy []Value) []Value {
	a, b, d := n.Inputs[0], n.Inputs[1], dy[0]
	if op.TransA { // y = aᵀ·d', both over rows
		return []Value{g.Reshape(g.MatMul(b, d, false, true), a.Shape()...), g.Reshape(g.MatMul(a, d, false, false), b.Shape()...)}
	}
	out := []Value{g.MatMul(d, b, false, !op.TransB), {}}
	if op.TransB {
		out[1] = g.MatMul(d, a, true, false)
	} else {
		out[1] = g.MatMul(a, d, true, false)
	}
	if len(n.Inputs) == 3 {
		out = append(out, g.sumRows(d))
	}
	return out
}

// sumRows adds up all axes but the last: the gradient of a bias.
func (g *Graph) sumRows(d Value) Value {
	axes := make([]int, len(d.Shape())-1)
	for i := range axes {
		axes[i] = i
	}
	return g.Reshape(g.Reduce(ReduceSum, d, axes...), d.Dim(-1))
}

// MatMul returns op(a)·op(b); see the operation for the shapes.
func (g *Graph) MatMul(a, b Value, transA, transB bool) Value {
	return g.one(MatMul{transA, transB}, a, b)
}

// Linear returns x·wᵀ + bias for x [..., K], w [N, K] and bias [N] (may be none).
func (g *Graph) Linear(x, w, bias Value) Value {
	if bias.Valid() {
		return g.one(MatMul{TransB: true}, x, w, bias)
	}
	return g.one(MatMul{TransB: true}, x, w)
}
