package graph

import "fmt"

// Conv2D is a convolution (cross-correlation) of pictures.
//
//	x     [N, H, W, C]
//	w     [O, C, KH, KW]
//	bias  [O], optional
//	y     [N, (H+Top+Bottom-KH)/Stride+1, (W+Left+Right-KW)/Stride+1, O]
//
// The padding is of zeros.
type Conv2D struct{ Stride, Top, Bottom, Left, Right int }

func (op Conv2D) infer(in []Type) ([]Type, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) != 4 || len(w) != 4 || x[3] != w[1] {
		return nil, fmt.Errorf("picture %v and weight %v: want [n h w c] and [o c kh kw]", x, w)
	}
	if op.Stride < 1 || min(op.Top, op.Bottom, op.Left, op.Right) < 0 {
		return nil, fmt.Errorf("stride and padding %+v", op)
	}
	if len(in) == 3 {
		if err := wantShape(in, 2, "bias", w[0]); err != nil {
			return nil, err
		}
	}
	h, wd := x[1]+op.Top+op.Bottom-w[2], x[2]+op.Left+op.Right-w[3]
	if h < 0 || wd < 0 {
		return nil, fmt.Errorf("picture %v is smaller than the kernel of %v", x, w)
	}
	return []Type{float(x[0], h/op.Stride+1, wd/op.Stride+1, w[0])}, nil
}

func (op Conv2D) grad(g *Graph, n *Node, dy []Value) []Value {
	x, w, d := n.Inputs[0], n.Inputs[1], dy[0]
	out := []Value{
		g.one(Conv2DGradX{op, x.Shape()}, d, w),
		g.one(Conv2DGradW{op, w.Shape()}, x, d),
	}
	if len(n.Inputs) == 3 {
		out = append(out, g.sumRows(d))
	}
	return out
}

// Conv2DGradX is the gradient of Conv2D to its picture, from dy and w.
type Conv2DGradX struct {
	Conv  Conv2D
	Shape Shape // of x
}

func (op Conv2DGradX) infer(in []Type) ([]Type, error) {
	return []Type{float(op.Shape...)}, want(in, 2)
}

// Conv2DGradW is the gradient of Conv2D to its weight, from x and dy.
type Conv2DGradW struct {
	Conv  Conv2D
	Shape Shape // of w
}

func (op Conv2DGradW) infer(in []Type) ([]Type, error) {
	return []Type{float(op.Shape...)}, want(in, 2)
}

// Conv2D convolves x [N, H, W, C] with w [O, C, KH, KW] and adds bias [O] (may be none).
func (g *Graph) Conv2D(x, w, bias Value, op Conv2D) Value {
	if bias.Valid() {
		return g.one(op, x, w, bias)
	}
	return g.one(op, x, w)
}
