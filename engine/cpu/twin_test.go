package cpu

import (
	"fmt"
	"math"

	"github.com/ldm-go/ldm/graph"
)

// twin computes the value of a graph in float64, plainly: the reference for
// the kernels, and what finite differences are taken of.
func twin(v graph.Value, floats map[string][]float64, ints map[string][]int32) []float64 {
	t := &evaluation{floats: floats, ints: ints, done: map[graph.Value][]float64{}}
	return t.value(v)
}

type evaluation struct {
	floats map[string][]float64
	ints   map[string][]int32
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
		return t.floats[op.Name]
	case graph.Param:
		return t.floats[op.Name]
	case graph.Fill:
		for i := range y {
			y[i] = float64(op.Value)
		}
	case graph.Reshape:
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
		for i, id := range t.ints[n.Inputs[1].Node.Op.(graph.Input).Name] {
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

// layer computes the operations made of sums over channels and pixels.
func (t *evaluation) layer(n *graph.Node, y []float64) []float64 {
	in := func(i int) []float64 { return t.value(n.Inputs[i]) }
	s := n.Inputs[0].Shape()
	c := s[len(s)-1]
	switch op := n.Op.(type) {
	case graph.MatMul:
		a, b := in(0), in(1)
		out := n.Out[0].Shape
		cols := out[len(out)-1]
		k := len(a) / (len(y) / cols)
		for i := range y {
			r, j := i/cols, i%cols
			for m := range k {
				ai, bi := r*k+m, m*cols+j
				if op.TransA {
					ai = m*c + r
				}
				if op.TransB {
					bi = j*k + m
				}
				y[i] += a[ai] * b[bi]
			}
			if len(n.Inputs) == 3 {
				y[i] += in(2)[j]
			}
		}
	case graph.Conv2D:
		conv64(op, n, in(0), in(1), y)
		for i := range y {
			if len(n.Inputs) == 3 {
				y[i] += in(2)[i%n.Out[0].Shape[3]]
			}
		}
	case graph.GroupNorm:
		p, size := s.Size()/s[0]/c, c/op.Groups
		for i := range s[0] * op.Groups {
			var at []int
			for k := range p * size {
				at = append(at, (i/op.Groups*p+k/size)*c+i%op.Groups*size+k%size)
			}
			norm64(in(0), in(1), in(2), y, at, c, float64(op.Eps))
		}
		if op.SiLU {
			for i := range y {
				y[i] *= sigmoid(y[i])
			}
		}
	case graph.LayerNorm:
		for r := range s.Size() / c {
			var at []int
			for k := range c {
				at = append(at, r*c+k)
			}
			norm64(in(0), in(1), in(2), y, at, c, float64(op.Eps))
		}
	case graph.Attention:
		attention64(op, n, in(0), in(1), in(2), y)
	case graph.GEGLU:
		for i := range y {
			r, k := i/(c/2), i%(c/2)
			y[i] = in(0)[r*c+k] * unary64(graph.Unary{Fn: graph.GELU}, in(0)[r*c+c/2+k])
		}
	case graph.Softmax:
		for r := range len(y) / c {
			var sum float64
			for k := range c {
				y[r*c+k] = math.Exp(in(0)[r*c+k])
				sum += y[r*c+k]
			}
			for k := range c {
				y[r*c+k] /= sum
			}
		}
	case graph.Upsample, graph.AvgPool, graph.MaxPool:
		pool64(n, in(0), y)
	default:
		panic(fmt.Sprintf("the twin has no %T", n.Op))
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
	return scalarUnary[op.Fn](x)
}

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

func norm64(x, gamma, beta, y []float64, at []int, c int, eps float64) {
	var mean, variance float64
	for _, i := range at {
		mean += x[i] / float64(len(at))
	}
	for _, i := range at {
		variance += (x[i] - mean) * (x[i] - mean) / float64(len(at))
	}
	for _, i := range at {
		y[i] = (x[i]-mean)/math.Sqrt(variance+eps)*gamma[i%c] + beta[i%c]
	}
}

func conv64(op graph.Conv2D, n *graph.Node, x, w, y []float64) {
	xs, ws, ys := n.Inputs[0].Shape(), n.Inputs[1].Shape(), n.Out[0].Shape
	for i := range y {
		at := coords(i, ys)
		for k := range ws[1:].Size() {
			q := coords(k, ws[1:])
			iy, ix := at[1]*op.Stride+q[1]-op.Top, at[2]*op.Stride+q[2]-op.Left
			if iy >= 0 && ix >= 0 && iy < xs[1] && ix < xs[2] {
				y[i] += x[index([]int{at[0], iy, ix, q[0]}, xs)] * w[at[3]*ws[1:].Size()+k]
			}
		}
	}
}

func attention64(op graph.Attention, n *graph.Node, q, k, v, y []float64) {
	qs, ks := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	d := qs[2] / op.Heads
	for i := range qs[0] * qs[1] * op.Heads {
		b, t, h := i/(qs[1]*op.Heads), i/op.Heads%qs[1], i%op.Heads
		row := (b*qs[1]+t)*qs[2] + h*d
		weights := make([]float64, ks[1])
		var sum float64
		for s := range weights {
			if op.Causal && s > t {
				continue
			}
			var dot float64
			for c := range d {
				dot += q[row+c] * k[(b*ks[1]+s)*qs[2]+h*d+c]
			}
			weights[s] = math.Exp(dot * float64(op.Scale))
			sum += weights[s]
		}
		for s, w := range weights {
			for c := range d {
				y[row+c] += w / sum * v[(b*ks[1]+s)*qs[2]+h*d+c]
			}
		}
	}
}

func pool64(n *graph.Node, x, y []float64) {
	xs, ys := n.Inputs[0].Shape(), n.Out[0].Shape
	get := func(at []int, dy, dx, stride int) float64 {
		return x[index([]int{at[0], at[1]*stride + dy, at[2]*stride + dx, at[3]}, xs)]
	}
	for i := range y {
		at := coords(i, ys)
		switch op := n.Op.(type) {
		case graph.Upsample:
			y[i] = x[index([]int{at[0], at[1] / op.Factor, at[2] / op.Factor, at[3]}, xs)]
		case graph.AvgPool:
			for k := range op.Factor * op.Factor {
				y[i] += get(at, k/op.Factor, k%op.Factor, op.Factor) / float64(op.Factor*op.Factor)
			}
		case graph.MaxPool:
			y[i] = math.Inf(-1)
			for k := range op.Kernel * op.Kernel {
				y[i] = max(y[i], get(at, k/op.Kernel, k%op.Kernel, op.Stride))
			}
		}
	}
}
