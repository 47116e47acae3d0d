package cpu

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// blockSize is the number of elements in a task of an elementwise operation.
const blockSize = 1 << 14

// blocks is a phase that works on [0, n) in blocks of fixed size.
func blocks(name string, n int, run func(from, to int)) []par.Phase {
	return []par.Phase{{Name: name, Tasks: (n + blockSize - 1) / blockSize, Run: func(task, _ int) {
		run(task*blockSize, min((task+1)*blockSize, n))
	}}}
}

func lowerUnary(op graph.Unary) lowered {
	return lowered{inPlace: []int{0}, bind: func(b *binding) []par.Phase {
		x, y := b.in[0], b.out[0]
		return blocks(op.Fn.String(), len(y), func(i, j int) { unary(op, y[i:j], x[i:j]) })
	}}
}

func unary(op graph.Unary, y, x []float32) {
	switch op.Fn {
	case graph.SiLU:
		vec.SiLU(y, x)
	case graph.GELU:
		vec.GELU(y, x)
	case graph.QuickGELU:
		vec.QuickGELU(y, x)
	case graph.ReLU:
		vec.ReLU(y, x)
	case graph.Square:
		vec.Mul(y, x, x)
	case graph.Affine:
		vec.Affine(y, x, op.A, op.B)
	case graph.Exp:
		vec.Exp(y, x)
	case graph.Abs:
		for i, v := range x {
			y[i] = math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
		}
	case graph.Clamp:
		for i, v := range x {
			y[i] = min(max(v, op.A), op.B)
		}
	default:
		f := scalarUnary[op.Fn]
		for i, v := range x {
			y[i] = float32(f(float64(v)))
		}
	}
}

// scalarUnary holds the functions that no hot layer uses.
var scalarUnary = map[graph.UnaryFn]func(float64) float64{
	graph.QuickGELU: func(x float64) float64 { return x * sigmoid(1.702*x) },
	graph.Sigmoid:   sigmoid,
	graph.Softplus:  softplus,
	graph.Tanh:      math.Tanh,
	graph.Log:       math.Log,
	graph.Sqrt:      math.Sqrt,
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func lowerUnaryGrad(op graph.UnaryGrad) lowered {
	return lowered{inPlace: []int{1, 0}, bind: func(b *binding) []par.Phase {
		x, dy, dx := b.in[0], b.in[1], b.out[0]
		return blocks(op.Fn.String()+" gradient", len(dx), func(i, j int) { unaryGrad(op, dx[i:j], x[i:j], dy[i:j]) })
	}}
}

func unaryGrad(op graph.UnaryGrad, dx, x, dy []float32) {
	switch op.Fn {
	case graph.SiLU:
		vec.SiLUGrad(dx, x, dy)
	case graph.GELU:
		vec.GELUGrad(dx, x, dy)
	case graph.ReLU:
		vec.ReLUGrad(dx, x, dy)
	case graph.Square:
		for i, v := range x {
			dx[i] = 2 * v * dy[i]
		}
	case graph.Abs:
		for i, v := range x {
			d := dy[i]
			switch {
			case v < 0:
				d = -d
			case v == 0:
				d = 0
			}
			dx[i] = d
		}
	case graph.Clamp:
		for i, v := range x {
			d := dy[i]
			if v < op.A || v > op.B {
				d = 0
			}
			dx[i] = d
		}
	default:
		f := scalarGrad[op.Fn]
		for i, v := range x {
			dx[i] = float32(f(float64(v))) * dy[i]
		}
	}
}

var scalarGrad = map[graph.UnaryFn]func(float64) float64{
	graph.QuickGELU: func(x float64) float64 {
		s := sigmoid(1.702 * x)
		return s * (1 + 1.702*x*(1-s))
	},
	graph.Sigmoid:  func(x float64) float64 { return sigmoid(x) * (1 - sigmoid(x)) },
	graph.Softplus: sigmoid,
	graph.Tanh:     func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) },
	graph.Exp:      math.Exp,
	graph.Log:      func(x float64) float64 { return 1 / x },
	graph.Sqrt:     func(x float64) float64 { return 0.5 / math.Sqrt(x) },
}

var binaryFns = [...]func(dst, x, y []float32){vec.Add, vec.Sub, vec.Mul, vec.Div}

// lowerBinary works on whole arrays where the shapes are equal, and otherwise
// row by row along the last axis.
func lowerBinary(op graph.Binary, a, b graph.Shape) lowered {
	f := binaryFns[op.Fn]
	if a.Equal(b) {
		return lowered{inPlace: []int{0, 1}, bind: func(m *binding) []par.Phase {
			x, z, y := m.in[0], m.in[1], m.out[0]
			return blocks(op.Fn.String(), len(y), func(i, j int) { f(y[i:j], x[i:j], z[i:j]) })
		}}
	}
	return lowered{inPlace: []int{0}, bind: func(m *binding) []par.Phase {
		x, z, y := m.in[0], m.in[1], m.out[0]
		return repeated(op.Fn.String(), a, b, func(at, n, from int, whole bool) {
			if whole {
				f(y[at:at+n], x[at:at+n], z[from:from+n])
				return
			}
			withScalar(op.Fn, y[at:at+n], x[at:at+n], z[from])
		})
	}}
}

func withScalar(fn graph.BinaryFn, y, x []float32, z float32) {
	switch fn {
	case graph.Add:
		vec.Affine(y, x, 1, z)
	case graph.Sub:
		vec.Affine(y, x, 1, -z)
	case graph.Mul:
		vec.Affine(y, x, z, 0)
	case graph.Div:
		for i, v := range x {
			y[i] = v / z
		}
	}
}

// repeated walks over the rows of an array of shape a whose partner has shape
// b, repeated along its axes of length 1: row(at, n, from, whole) is told where
// the row lies in a and where its partner begins in b, a whole row or one number.
func repeated(name string, a, b graph.Shape, row func(at, n, from int, whole bool)) []par.Phase {
	a, b = leading1(a), leading1(b)
	last := len(a) - 1
	n := a[last]
	rows := a.Size() / n
	stride := make([]int, last) // of b for each leading axis
	size := b[last]
	for i := last - 1; i >= 0; i-- {
		if b[i] > 1 {
			stride[i] = size
		}
		size *= b[i]
	}
	block := max(blockSize/n, 1)
	whole := b[last] == n
	return []par.Phase{{Name: name, Tasks: (rows + block - 1) / block, Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, rows); r++ {
			from, rest := 0, r
			for i := last - 1; i >= 0; i-- {
				from += rest % a[i] * stride[i]
				rest /= a[i]
			}
			row(r*n, n, from, whole)
		}
	}}}
}

// leading1 gives scalars an axis.
func leading1(s graph.Shape) graph.Shape {
	if len(s) == 0 {
		return graph.Shape{1}
	}
	return s
}

func lowerBroadcast(op graph.Broadcast, from graph.Shape) lowered {
	return bound(func(b *binding) []par.Phase {
		x, y := b.in[0], b.out[0]
		return repeated("broadcast", op.Shape, from, func(at, n, from int, whole bool) {
			if whole {
				copy(y[at:at+n], x[from:])
				return
			}
			v := x[from]
			for i := range y[at : at+n] {
				y[at+i] = v
			}
		})
	})
}
