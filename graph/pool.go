package graph

import "fmt"

// Upsample repeats every pixel Factor times in both directions (nearest
// neighbour): [N, H, W, C] to [N, F·H, F·W, C].
type Upsample struct{ Factor int }

func (op Upsample) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) != 4 || op.Factor < 1 {
		return nil, fmt.Errorf("upsampling %v by %d", s, op.Factor)
	}
	return []Type{float(s[0], s[1]*op.Factor, s[2]*op.Factor, s[3])}, nil
}

func (op Upsample) grad(g *Graph, _ *Node, dy []Value) []Value {
	sum := float32(op.Factor * op.Factor)
	return []Value{g.Affine(g.AvgPool(dy[0], op.Factor), sum, 0)}
}

// Upsample repeats every pixel factor times in both directions.
func (g *Graph) Upsample(x Value, factor int) Value { return g.one(Upsample{factor}, x) }

// AvgPool averages blocks of Factor x Factor pixels.
type AvgPool struct{ Factor int }

func (op AvgPool) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) != 4 || op.Factor < 1 || s[1]%op.Factor != 0 || s[2]%op.Factor != 0 {
		return nil, fmt.Errorf("averaging %v over blocks of %d: height and width must be multiples", s, op.Factor)
	}
	return []Type{float(s[0], s[1]/op.Factor, s[2]/op.Factor, s[3])}, nil
}

func (op AvgPool) grad(g *Graph, _ *Node, dy []Value) []Value {
	return []Value{g.Affine(g.Upsample(dy[0], op.Factor), 1/float32(op.Factor*op.Factor), 0)}
}

// AvgPool averages blocks of factor x factor pixels.
func (g *Graph) AvgPool(x Value, factor int) Value { return g.one(AvgPool{factor}, x) }

// MaxPool takes the maximum over windows of Kernel x Kernel pixels, Stride
// apart, without padding; a rest at the right and bottom is dropped.
type MaxPool struct{ Kernel, Stride int }

func (op MaxPool) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) != 4 || op.Kernel < 1 || op.Stride < 1 || s[1] < op.Kernel || s[2] < op.Kernel {
		return nil, fmt.Errorf("maximum over windows of %d of %v", op.Kernel, s)
	}
	return []Type{float(s[0], (s[1]-op.Kernel)/op.Stride+1, (s[2]-op.Kernel)/op.Stride+1, s[3])}, nil
}

func (op MaxPool) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.one(MaxPoolGrad(op), n.Inputs[0], n.Output(0), dy[0])}
}

// MaxPoolGrad sends dy to the first maximum of each window, from x, y and dy.
type MaxPoolGrad struct{ Kernel, Stride int }

func (op MaxPoolGrad) infer(in []Type) ([]Type, error) { return in[:1], want(in, 3) }

// MaxPool takes the maximum over windows of kernel x kernel pixels.
func (g *Graph) MaxPool(x Value, kernel, stride int) Value { return g.one(MaxPool{kernel, stride}, x) }
