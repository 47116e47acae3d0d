package enginetest

import (
	"math"

	"github.com/ldm-go/ldm/graph"
)

// Evaluate computes a value of a graph in float64, as the definitions of the
// operations read: what engines are held to, and what finite differences are taken of.
// inputs are the numbers of all inputs and parameters by name, whole ones too. It
// panics at an operation that is a gradient or an update.
func Evaluate(v graph.Value, inputs map[string][]float64) []float64 {
	t := &evaluation{inputs: inputs, done: map[graph.Value][]float64{}}
	return t.value(v)
}

type evaluation struct {
	inputs map[string][]float64
	done   map[graph.Value][]float64
}

func (t *evaluation) value(v graph.Value) []float64 {
	if y, ok := t.done[v]; ok {
		return y
	}
	y := t.compute(v.Node)
	t.done[v] = y
	return y
}

func (t *evaluation) compute(n *graph.Node) []float64 {
	in := func(i int) []float64 { return t.value(n.Inputs[i]) }
	y := make([]float64, n.Out[0].Shape.Size())
	switch op := n.Op.(type) {
	case graph.Input:
		return t.inputs[op.Name]
	case graph.Param:
		return t.inputs[op.Name]
	case graph.Fill:
		for i := range y {
			y[i] = float64(op.Value)
		}
	case graph.Reshape, graph.Detach:
		return in(0)
	case graph.Unary:
		for i, x := range in(0) {
			y[i] = unary64(op, x)
		}
	case graph.Binary, graph.Broadcast:
		a, shape := in(0), n.Inputs[0].Shape()
		if _, ok := op.(graph.Broadcast); ok {
			for i := range y {
				y[i] = a[project(i, n.Out[0].Shape, shape)]
			}
			break
		}
		b, bs := in(1), n.Inputs[1].Shape()
		for i := range y {
			p, q := a[i], b[project(i, shape, bs)]
			y[i] = [...]float64{p + q, p - q, p * q, p / q}[op.(graph.Binary).Fn]
		}
	case graph.Reduce:
		x, shape := in(0), n.Inputs[0].Shape()
		for i, v := range x {
			y[project(i, shape, n.Out[0].Shape)] += v
		}
		if op.Fn == graph.ReduceMean {
			for i := range y {
				y[i] *= float64(len(y)) / float64(len(x))
			}
		}
	case graph.SquaredNorm:
		for i := range n.Inputs {
			for _, v := range in(i) {
				y[0] += v * v
			}
		}
	case graph.Transpose:
		x, s := in(0), n.Inputs[0].Shape()
		for i := range y {
			at := coords(i, n.Out[0].Shape)
			from := make([]int, len(at))
			for k, p := range op.Perm {
				from[p] = at[k]
			}
			y[i] = x[index(from, s)]
		}
	case graph.Slice:
		for i := range y {
			at := coords(i, n.Out[0].Shape)
			at[op.Axis] += op.Start
			y[i] = in(0)[index(at, n.Inputs[0].Shape())]
		}
	case graph.Pad:
		for i, v := range in(0) {
			at := coords(i, n.Inputs[0].Shape())
			at[op.Axis] += op.Before
			y[index(at, n.Out[0].Shape)] = v
		}
	case graph.Concat:
		start := 0
		for k, part := range n.Inputs {
			for i, v := range in(k) {
				at := coords(i, part.Shape())
				at[op.Axis] += start
				y[index(at, n.Out[0].Shape)] = v
			}
			start += part.Dim(op.Axis)
		}
	case graph.Embedding:
		d := n.Inputs[0].Dim(1)
		for i, id := range in(1) {
			copy(y[i*d:(i+1)*d], in(0)[int(id)*d:])
		}
	case graph.TimestepEmbedding:
		half := op.Dim / 2
		for i, step := range in(0) {
			for k := range half {
				f := step * math.Pow(float64(op.MaxPeriod), -float64(k)/float64(half))
				y[i*op.Dim+k], y[i*op.Dim+half+k] = math.Cos(f), math.Sin(f)
			}
		}
	default:
		return t.layer(n, y)
	}
	return y
}

func unary64(op graph.Unary, x float64) float64 {
	switch op.Fn {
	case graph.SiLU:
		return x * sigmoid(x)
	case graph.GELU:
		return x * math.Erfc(-x/math.Sqrt2) / 2
	case graph.ReLU:
		return max(x, 0)
	case graph.Square:
		return x * x
	case graph.Abs:
		return math.Abs(x)
	case graph.Exp:
		return math.Exp(x)
	case graph.Affine:
		return float64(op.A)*x + float64(op.B)
	case graph.Clamp:
		return min(max(x, float64(op.A)), float64(op.B))
	}
	return map[graph.UnaryFn]func(float64) float64{
		graph.QuickGELU: func(x float64) float64 { return x * sigmoid(1.702*x) },
		graph.Sigmoid:   sigmoid,
		graph.Softplus:  func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		graph.Tanh:      math.Tanh,
		graph.Log:       math.Log,
		graph.Sqrt:      math.Sqrt,
	}[op.Fn](x)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func coords(i int, s graph.Shape) []int {
	at := make([]int, len(s))
	for k := len(s) - 1; k >= 0; k-- {
		at[k], i = i%s[k], i/s[k]
	}
	return at
}

func index(at []int, s graph.Shape) int {
	i := 0
	for k, d := range s {
		i = i*d + at[k]
	}
	return i
}

// project is the place in an array of shape small, repeated to shape, of element i.
func project(i int, shape, small graph.Shape) int {
	at := coords(i, shape)
	for k := range at {
		at[k] = min(at[k], small[k]-1)
	}
	return index(at, small)
}
