package graph

import "fmt"

// ReduceFn names a way to make one number of many.
type ReduceFn uint8

// The functions of Reduce.
const (
	ReduceSum ReduceFn = iota
	ReduceMean
)

func (f ReduceFn) String() string { return [...]string{"Sum", "Mean"}[f] }

// Reduce folds the axes in Axes (rising, each once) to length 1.
type Reduce struct {
	Fn   ReduceFn
	Axes []int
}

func (op Reduce) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	out := append(Shape(nil), in[0].Shape...)
	last := -1
	for _, a := range op.Axes {
		if a <= last || a >= len(out) {
			return nil, fmt.Errorf("axes %v of a value of shape %v", op.Axes, in[0].Shape)
		}
		out[a], last = 1, a
	}
	return []Type{float(out...)}, nil
}

func (op Reduce) grad(g *Graph, n *Node, dy []Value) []Value {
	x := n.Inputs[0]
	d := dy[0]
	if op.Fn == ReduceMean {
		d = g.Affine(d, float32(d.Shape().Size())/float32(x.Shape().Size()), 0)
	}
	return []Value{g.Broadcast(d, x.Shape()...)}
}

// Reduce folds the given axes to length 1, keeping them.
func (g *Graph) Reduce(fn ReduceFn, x Value, axes ...int) Value { return g.one(Reduce{fn, axes}, x) }

// ReduceAll folds everything to a scalar.
func (g *Graph) ReduceAll(fn ReduceFn, x Value) Value {
	axes := make([]int, len(x.Shape()))
	for i := range axes {
		axes[i] = i
	}
	return g.Reshape(g.Reduce(fn, x, axes...))
}

// Broadcast repeats the axes of length 1 of its input up to Shape.
type Broadcast struct{ Shape Shape }

func (op Broadcast) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	ok := len(in[0].Shape) == len(op.Shape)
	for i := 0; ok && i < len(op.Shape); i++ {
		ok = in[0].Shape[i] == op.Shape[i] || in[0].Shape[i] == 1
	}
	if !ok {
		return nil, fmt.Errorf("%v cannot be repeated to %v", in[0].Shape, op.Shape)
	}
	return []Type{float(op.Shape...)}, nil
}

func (op Broadcast) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.sumTo(dy[0], n.Inputs[0].Shape())}
}

// Broadcast repeats the axes of length 1 of x up to shape.
func (g *Graph) Broadcast(x Value, shape ...int) Value { return g.one(Broadcast{shape}, x) }

// SquaredNorm is the sum of the squares of all elements of all its inputs, a
// scalar; of gradients it gives the global norm that updates are clipped by.
type SquaredNorm struct{}

func (op SquaredNorm) infer(in []Type) ([]Type, error) { return []Type{float()}, want(in, len(in)) }

// SquaredNorm returns the sum of squares over all the values.
func (g *Graph) SquaredNorm(vs ...Value) Value { return g.one(SquaredNorm{}, vs...) }
