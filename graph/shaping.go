package graph

import "fmt"

// Reshape gives the same elements another shape.
type Reshape struct{ Shape Shape }

func (op Reshape) infer(in []Type) ([]Type, error) {
	if len(in) != 1 || in[0].Shape.Size() != op.Shape.Size() {
		return nil, fmt.Errorf("%v has not as many elements as %v", in, op.Shape)
	}
	return []Type{{in[0].DType, op.Shape}}, nil
}

func (op Reshape) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.Reshape(dy[0], n.Inputs[0].Shape()...)}
}

// Reshape gives x another shape with as many elements.
func (g *Graph) Reshape(x Value, shape ...int) Value { return g.one(Reshape{shape}, x) }

// Transpose orders the axes anew: output axis i is input axis Perm[i].
type Transpose struct{ Perm []int }

func (op Transpose) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	out, seen := make(Shape, len(s)), make([]bool, len(s))
	for i, p := range op.Perm {
		if len(op.Perm) != len(s) || p < 0 || p >= len(s) || seen[p] {
			return nil, fmt.Errorf("axes %v of a value of shape %v", op.Perm, s)
		}
		out[i], seen[p] = s[p], true
	}
	return []Type{float(out...)}, nil
}

func (op Transpose) grad(g *Graph, n *Node, dy []Value) []Value {
	back := make([]int, len(op.Perm))
	for i, p := range op.Perm {
		back[p] = i
	}
	return []Value{g.Transpose(dy[0], back...)}
}

// Transpose orders the axes of x anew: axis i of the result is axis perm[i] of x.
func (g *Graph) Transpose(x Value, perm ...int) Value { return g.one(Transpose{perm}, x) }

// Slice takes elements Start … Start+Len-1 of one axis.
type Slice struct{ Axis, Start, Len int }

func (op Slice) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if op.Axis < 0 || op.Axis >= len(s) || op.Start < 0 || op.Len < 1 || op.Start+op.Len > s[op.Axis] {
		return nil, fmt.Errorf("elements %d+%d of axis %d of %v", op.Start, op.Len, op.Axis, s)
	}
	out := append(Shape(nil), s...)
	out[op.Axis] = op.Len
	return []Type{float(out...)}, nil
}

func (op Slice) grad(g *Graph, n *Node, dy []Value) []Value {
	total := n.Inputs[0].Dim(op.Axis)
	return []Value{g.one(Pad{op.Axis, op.Start, total - op.Start - op.Len}, dy[0])}
}

// Slice takes size elements of one axis of x, from start on.
func (g *Graph) Slice(x Value, axis, start, size int) Value {
	return g.one(Slice{axis, start, size}, x)
}

// Split cuts one axis of x into equal parts.
func (g *Graph) Split(x Value, axis, parts int) []Value {
	out := make([]Value, parts)
	if x.Dim(axis)%parts != 0 {
		g.Fail("axis %d of %v cannot be cut into %d parts", axis, x.Shape(), parts)
	}
	size := x.Dim(axis) / parts
	for i := range out {
		out[i] = g.Slice(x, axis, i*size, size)
	}
	return out
}

// Pad adds Before and After zeros to one axis.
type Pad struct{ Axis, Before, After int }

func (op Pad) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	out := append(Shape(nil), in[0].Shape...)
	if op.Axis < 0 || op.Axis >= len(out) || op.Before < 0 || op.After < 0 {
		return nil, fmt.Errorf("padding %d+%d of axis %d of %v", op.Before, op.After, op.Axis, out)
	}
	out[op.Axis] += op.Before + op.After
	return []Type{float(out...)}, nil
}

func (op Pad) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.Slice(dy[0], op.Axis, op.Before, n.Inputs[0].Dim(op.Axis))}
}

// Pad adds zeros before and after one axis of x.
func (g *Graph) Pad(x Value, axis, before, after int) Value {
	return g.one(Pad{axis, before, after}, x)
}

// Concat joins its inputs along one axis.
type Concat struct{ Axis int }

func (op Concat) infer(in []Type) ([]Type, error) {
	if err := want(in, max(len(in), 1)); err != nil {
		return nil, err
	}
	out := append(Shape(nil), in[0].Shape...)
	if op.Axis < 0 || op.Axis >= len(out) {
		return nil, fmt.Errorf("axis %d of %v", op.Axis, out)
	}
	out[op.Axis] = 0
	for _, t := range in {
		s := append(Shape(nil), t.Shape...)
		if len(s) == len(out) {
			s[op.Axis], out[op.Axis] = out[op.Axis]+s[op.Axis], out[op.Axis]+s[op.Axis]
		}
		if !s.Equal(out) {
			return nil, fmt.Errorf("%v and %v cannot be joined along axis %d", in[0].Shape, t.Shape, op.Axis)
		}
	}
	return []Type{float(out...)}, nil
}

func (op Concat) grad(g *Graph, n *Node, dy []Value) []Value {
	out := make([]Value, len(n.Inputs))
	start := 0
	for i, in := range n.Inputs {
		out[i] = g.Slice(dy[0], op.Axis, start, in.Dim(op.Axis))
		start += in.Dim(op.Axis)
	}
	return out
}

// Concat joins the values along one axis (counted from the end if negative).
func (g *Graph) Concat(axis int, vs ...Value) Value {
	if axis < 0 && len(vs) > 0 {
		axis += len(vs[0].Shape())
	}
	return g.one(Concat{axis}, vs...)
}
