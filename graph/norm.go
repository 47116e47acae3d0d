package graph

import "fmt"

// GroupNorm normalises groups of channels over all pixels of a picture.
//
//	x            [N, ..., C]
//	gamma, beta  [C]
//	y            as x: (x-mean)/sqrt(var+Eps)·gamma + beta, then SiLU if asked for
//	stats        [N, Groups, 2], mean and 1/sqrt(var+Eps), for the gradient
type GroupNorm struct {
	Groups int
	Eps    float32
	SiLU   bool
}

func (op GroupNorm) infer(in []Type) ([]Type, error) {
	if err := want(in, 3); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) < 2 || op.Groups < 1 || s[len(s)-1]%op.Groups != 0 {
		return nil, fmt.Errorf("%d groups over the channels of %v: want a multiple", op.Groups, s)
	}
	c := s[len(s)-1]
	if err := wantShape(in, 1, "gamma", c); err != nil {
		return nil, err
	}
	return []Type{in[0], float(s[0], op.Groups, 2)}, wantShape(in, 2, "beta", c)
}

func (op GroupNorm) grad(g *Graph, n *Node, dy []Value) []Value {
	d := g.add(GroupNormGrad(op), n.Inputs[0], n.Inputs[1], n.Inputs[2], n.Output(1), dy[0])
	return []Value{d.Output(0), d.Output(1), d.Output(2)}
}

// GroupNormGrad gives dx, dgamma and dbeta from x, gamma, beta, stats and dy.
type GroupNormGrad struct {
	Groups int
	Eps    float32
	SiLU   bool
}

func (op GroupNormGrad) infer(in []Type) ([]Type, error) { return in[:3], want(in, 5) }

// GroupNorm normalises x [N, ..., C] in groups of channels.
func (g *Graph) GroupNorm(x, gamma, beta Value, op GroupNorm) Value {
	return g.one(op, x, gamma, beta)
}

// LayerNorm normalises the last axis.
//
//	x            [..., C]
//	gamma, beta  [C]
//	y            as x
//	stats        [rows, 2], mean and 1/sqrt(var+Eps), for the gradient
type LayerNorm struct{ Eps float32 }

func (op LayerNorm) infer(in []Type) ([]Type, error) {
	if err := want(in, 3); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) < 1 {
		return nil, fmt.Errorf("a scalar has no last axis")
	}
	c := s[len(s)-1]
	if err := wantShape(in, 1, "gamma", c); err != nil {
		return nil, err
	}
	return []Type{in[0], float(s.Size()/c, 2)}, wantShape(in, 2, "beta", c)
}

func (op LayerNorm) grad(g *Graph, n *Node, dy []Value) []Value {
	d := g.add(LayerNormGrad(op), n.Inputs[0], n.Inputs[1], n.Output(1), dy[0])
	return []Value{d.Output(0), d.Output(1), d.Output(2)}
}

// LayerNormGrad gives dx, dgamma and dbeta from x, gamma, stats and dy.
type LayerNormGrad struct{ Eps float32 }

func (op LayerNormGrad) infer(in []Type) ([]Type, error) {
	return []Type{in[0], in[1], in[1]}, want(in, 4)
}

// LayerNorm normalises the last axis of x.
func (g *Graph) LayerNorm(x, gamma, beta Value, eps float32) Value {
	return g.one(LayerNorm{eps}, x, gamma, beta)
}
