package graph

import "fmt"

// UnaryFn names a function of one number.
type UnaryFn uint8

// The functions of Unary. GELU is the exact form x·Φ(x); QuickGELU is
// x·σ(1.702x), used by CLIP; Affine is A·x + B; Clamp limits to [A, B].
const (
	SiLU UnaryFn = iota
	GELU
	QuickGELU
	ReLU
	Sigmoid
	Softplus
	Tanh
	Exp
	Log
	Sqrt
	Square
	Abs
	Affine
	Clamp
)

var unaryNames = [...]string{"SiLU", "GELU", "QuickGELU", "ReLU", "Sigmoid", "Softplus", "Tanh", "Exp", "Log", "Sqrt", "Square", "Abs", "Affine", "Clamp"}

func (f UnaryFn) String() string { return unaryNames[f] }

// Unary applies Fn to every element. A and B matter to Affine and Clamp alone.
type Unary struct {
	Fn   UnaryFn
	A, B float32
}

func (op Unary) infer(in []Type) ([]Type, error) { return in[:1], want(in, 1) }

func (op Unary) grad(g *Graph, n *Node, dy []Value) []Value {
	if op.Fn == Affine {
		return []Value{g.Affine(dy[0], op.A, 0)}
	}
	return []Value{g.one(UnaryGrad(op), n.Inputs[0], dy[0])}
}

// UnaryGrad is Fn'(x)·dy for inputs x and dy. Where Abs, ReLU and Clamp have a
// corner, the derivative is 0 (Clamp: 1 on the limits, as in PyTorch).
type UnaryGrad struct {
	Fn   UnaryFn
	A, B float32
}

func (op UnaryGrad) infer(in []Type) ([]Type, error) {
	if err := want(in, 2); err != nil {
		return nil, err
	}
	return in[:1], wantShape(in, 1, "dy", in[0].Shape...)
}

// Unary applies fn to every element of x.
func (g *Graph) Unary(fn UnaryFn, x Value) Value { return g.one(Unary{Fn: fn}, x) }

// Affine returns a·x + b.
func (g *Graph) Affine(x Value, a, b float32) Value { return g.one(Unary{Affine, a, b}, x) }

// Clamp limits x to [lo, hi].
func (g *Graph) Clamp(x Value, lo, hi float32) Value { return g.one(Unary{Clamp, lo, hi}, x) }

// BinaryFn names a function of two numbers.
type BinaryFn uint8

// The functions of Binary.
const (
	Add BinaryFn = iota
	Sub
	Mul
	Div
)

func (f BinaryFn) String() string { return [...]string{"Add", "Sub", "Mul", "Div"}[f] }

// Binary applies Fn to a and b element by element. Both have the same number
// of axes; an axis of b may have length 1 and is then repeated.
type Binary struct{ Fn BinaryFn }

func (op Binary) infer(in []Type) ([]Type, error) {
	if err := want(in, 2); err != nil {
		return nil, err
	}
	a, b := in[0].Shape, in[1].Shape
	ok := len(a) == len(b)
	for i := 0; ok && i < len(a); i++ {
		ok = b[i] == a[i] || b[i] == 1
	}
	if !ok {
		return nil, fmt.Errorf("%v: %v cannot be repeated to %v", op.Fn, b, a)
	}
	return in[:1], nil
}

func (op Binary) grad(g *Graph, n *Node, dy []Value) []Value {
	a, b, d := n.Inputs[0], n.Inputs[1], dy[0]
	switch op.Fn {
	case Add:
		return []Value{d, g.sumTo(d, b.Shape())}
	case Sub:
		return []Value{d, g.Affine(g.sumTo(d, b.Shape()), -1, 0)}
	case Mul:
		return []Value{g.Mul(d, b), g.sumTo(g.Mul(d, a), b.Shape())}
	}
	da := g.Div(d, b)
	return []Value{da, g.Affine(g.sumTo(g.Mul(da, g.Div(a, b)), b.Shape()), -1, 0)}
}

// sumTo adds up the axes along which shape was repeated.
func (g *Graph) sumTo(v Value, shape Shape) Value {
	var axes []int
	for i, d := range shape {
		if d != v.Dim(i) {
			axes = append(axes, i)
		}
	}
	if len(axes) == 0 {
		return v
	}
	return g.Reduce(ReduceSum, v, axes...)
}

// Add returns a + b, with b repeated along its axes of length 1.
func (g *Graph) Add(a, b Value) Value { return g.one(Binary{Add}, a, b) }

// Sub returns a - b.
func (g *Graph) Sub(a, b Value) Value { return g.one(Binary{Sub}, a, b) }

// Mul returns a · b, element by element.
func (g *Graph) Mul(a, b Value) Value { return g.one(Binary{Mul}, a, b) }

// Div returns a / b, element by element.
func (g *Graph) Div(a, b Value) Value { return g.one(Binary{Div}, a, b) }
