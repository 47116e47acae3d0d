package lower

import (
	"math"

	"github.com/ldm-go/ldm/graph"
)

func (l *lowering) unaryOp(op graph.Unary, x val) val {
	switch op.Fn {
	case graph.SiLU:
		return l.silu(x)
	case graph.GELU:
		return l.gelu(x)
	case graph.QuickGELU:
		return l.mul(x, l.unary("logistic", l.affine(x, 1.702, 0)))
	case graph.ReLU:
		return l.binary("maximum", x, l.scalar(0, x.elem))
	case graph.Sigmoid:
		return l.unary("logistic", x)
	case graph.Softplus: // max(x, 0) + log(1 + exp(-|x|))
		tail := l.unary("log_plus_one", l.unary("exponential", l.affine(l.unary("abs", x), -1, 0)))
		return l.add(l.binary("maximum", x, l.scalar(0, x.elem)), tail)
	case graph.Tanh:
		return l.unary("tanh", x)
	case graph.Exp:
		return l.unary("exponential", x)
	case graph.Log:
		return l.unary("log", x)
	case graph.Sqrt:
		return l.unary("sqrt", x)
	case graph.Square:
		return l.mul(x, x)
	case graph.Abs:
		return l.unary("abs", x)
	case graph.Affine:
		return l.affine(x, float64(op.A), float64(op.B))
	}
	return l.binary("minimum", l.binary("maximum", x, l.scalar(float64(op.A), x.elem)), l.scalar(float64(op.B), x.elem))
}

func (l *lowering) silu(x val) val { return l.mul(x, l.unary("logistic", x)) }

// normal is Φ(x), the normal distribution.
func (l *lowering) normal(x val) val {
	return l.affine(l.unary("chlo.erf", l.affine(x, 1/math.Sqrt2, 0)), .5, .5)
}

func (l *lowering) gelu(x val) val { return l.mul(x, l.normal(x)) }

// geluSlope is Φ(x) + x·φ(x).
func (l *lowering) geluSlope(x val) val {
	density := l.affine(l.unary("exponential", l.affine(l.mul(x, x), -.5, 0)), 1/math.Sqrt(2*math.Pi), 0)
	return l.add(l.normal(x), l.mul(x, density))
}

// siluSlope is s·(1 + x·(1-s)), with s the logistic function.
func (l *lowering) siluSlope(x val, steep float64) val {
	s := l.unary("logistic", l.affine(x, steep, 0))
	return l.mul(s, l.affine(l.mul(l.affine(x, steep, 0), l.affine(s, -1, 1)), 1, 1))
}

func (l *lowering) unaryGrad(op graph.UnaryGrad, x, dy val) val {
	zero := l.fill(0, dy.typ)
	switch op.Fn {
	case graph.SiLU:
		return l.mul(dy, l.siluSlope(x, 1))
	case graph.QuickGELU:
		return l.mul(dy, l.siluSlope(x, 1.702))
	case graph.GELU:
		return l.mul(dy, l.geluSlope(x))
	case graph.ReLU:
		return l.choose(l.compare("GT", x, l.scalar(0, x.elem)), dy, zero)
	case graph.Sigmoid:
		s := l.unary("logistic", x)
		return l.mul(dy, l.mul(s, l.affine(s, -1, 1)))
	case graph.Softplus:
		return l.mul(dy, l.unary("logistic", x))
	case graph.Tanh:
		t := l.unary("tanh", x)
		return l.mul(dy, l.affine(l.mul(t, t), -1, 1))
	case graph.Exp:
		return l.mul(dy, l.unary("exponential", x))
	case graph.Log:
		return l.div(dy, x)
	case graph.Sqrt:
		return l.div(l.affine(dy, .5, 0), l.unary("sqrt", x))
	case graph.Square:
		return l.mul(l.affine(dy, 2, 0), x)
	case graph.Abs:
		return l.mul(dy, l.unary("sign", x))
	case graph.Affine:
		return l.affine(dy, float64(op.A), 0)
	}
	inside := l.binary("and", l.compare("GE", x, l.scalar(float64(op.A), x.elem)), l.compare("LE", x, l.scalar(float64(op.B), x.elem)))
	return l.choose(inside, dy, zero)
}

// binaryOp applies a function to values of one shape, or to b repeated. Sums of
// gradients of filters stay in the filters' order.
func (l *lowering) binaryOp(n *graph.Node, op graph.Binary) value {
	fn := [...]string{"add", "subtract", "multiply", "divide"}[op.Fn]
	a, b := l.stored(n.Inputs[0]), l.stored(n.Inputs[1])
	if a.hwio && b.hwio && n.Inputs[0].Shape().Equal(n.Inputs[1].Shape()) {
		return value{l.binary(fn, a.val, b.val), true}
	}
	x := l.in(n, 0)
	return value{val: l.binary(fn, x, l.spread(l.in(n, 1), x.shape))}
}

// halves cuts the last axis in two.
func (l *lowering) halves(x val) (value, gate val) {
	last := len(x.shape) - 1
	half := x.shape[last] / 2
	return l.slice(x, last, 0, half, 1), l.slice(x, last, half, half, 1)
}

// geglu is value · GELU(gate).
func (l *lowering) geglu(x val) val {
	a, gate := l.halves(x)
	return l.mul(a, l.gelu(gate))
}

func (l *lowering) gegluGrad(x, dy val) val {
	a, gate := l.halves(x)
	return l.concat(len(x.shape)-1, l.mul(dy, l.gelu(gate)), l.mul(l.mul(dy, a), l.geluSlope(gate)))
}

func (l *lowering) softmax(x val) val {
	last := len(x.shape) - 1
	p := l.unary("exponential", l.sub(x, l.spread(l.keep("maximum", x, last), x.shape)))
	return l.div(p, l.spread(l.keep("add", p, last), x.shape))
}

// softmaxGrad is y·(dy - Σ y·dy).
func (l *lowering) softmaxGrad(y, dy val) val {
	last := len(y.shape) - 1
	sum := l.keep("add", l.mul(y, dy), last)
	return l.mul(y, l.sub(dy, l.spread(sum, y.shape)))
}
