// Package vec holds the vector primitives under the layers: functions of whole
// arrays and of rows of channels, in AVX-512 assembly where the processor has
// it, and in plain Go, the reference for tests, elsewhere.
//
// Every function runs on the caller's thread and does not allocate. Results
// depend on the values and the length alone. Slices have at least n (the
// length of dst) elements; dst may be x or y itself.
package vec

import "unsafe"

// The implementations in use, by position in these lists.
const (
	fnExp = iota
	fnSiLU
	fnGELU
	fnReLU
)

const (
	fnAdd = iota
	fnSub
	fnMul
	fnDiv
	fnSiLUGrad
	fnGELUGrad
	fnReLUGrad
)

const (
	fnAffineRows = iota
	fnAffineSiLURows
	fnMomentsRows
	fnSumRows
	fnNormBackRows
	fnNormSiLUBackRows
	fnCombineRows
)

var (
	unary   = portableUnary
	binary  = portableBinary
	rowOps  = portableRowOps
	affine  = portableAffine
	expSum  = portableExpSum
	largest = portableMax
	adamw   = portableAdamW
)

func first(x []float32) *float32 { return unsafe.SliceData(x) }

// longest keeps assembly calls short, since the runtime cannot interrupt them.
const longest = 1 << 16

func apply1(fn int, dst, x []float32) {
	for i := 0; i < len(dst); i += longest {
		n := min(longest, len(dst)-i)
		unary[fn](&dst[i], &x[i], n)
	}
}

func apply2(fn int, dst, x, y []float32) {
	for i := 0; i < len(dst); i += longest {
		n := min(longest, len(dst)-i)
		binary[fn](&dst[i], &x[i], &y[i], n)
	}
}

// Exp is e^x, with a relative error below 2e-7; x is limited to [-87, 88].
func Exp(dst, x []float32) { apply1(fnExp, dst, x) }

// SiLU is x·σ(x), with an error below 4e-7 of |x|.
func SiLU(dst, x []float32) { apply1(fnSiLU, dst, x) }

// GELU is x·Φ(x) (the exact form), with an error below 3e-7 of |x|.
func GELU(dst, x []float32) { apply1(fnGELU, dst, x) }

// ReLU is max(x, 0).
func ReLU(dst, x []float32) { apply1(fnReLU, dst, x) }

// SiLUGrad is dy·SiLU'(x).
func SiLUGrad(dst, x, dy []float32) { apply2(fnSiLUGrad, dst, x, dy) }

// GELUGrad is dy·GELU'(x).
func GELUGrad(dst, x, dy []float32) { apply2(fnGELUGrad, dst, x, dy) }

// ReLUGrad is dy where x > 0, else 0.
func ReLUGrad(dst, x, dy []float32) { apply2(fnReLUGrad, dst, x, dy) }

// Add is x + y.
func Add(dst, x, y []float32) { apply2(fnAdd, dst, x, y) }

// Sub is x - y.
func Sub(dst, x, y []float32) { apply2(fnSub, dst, x, y) }

// Mul is x·y.
func Mul(dst, x, y []float32) { apply2(fnMul, dst, x, y) }

// Div is x / y.
func Div(dst, x, y []float32) { apply2(fnDiv, dst, x, y) }

// Affine is a·x + b.
func Affine(dst, x []float32, a, b float32) {
	for i := 0; i < len(dst); i += longest {
		affine(&dst[i], &x[i], min(longest, len(dst)-i), a, b)
	}
}

// ExpSum writes e^(x-shift) and returns the sum, for a softmax.
func ExpSum(dst, x []float32, shift float32) float32 {
	if len(dst) == 0 {
		return 0
	}
	return expSum(&dst[0], &x[0], len(dst), shift)
}

// Max is the largest number of x, which is not empty.
func Max(x []float32) float32 { return largest(&x[0], len(x)) }

// AdamWStep holds the constants of one update; see graph.AdamW.
type AdamWStep struct {
	k [9]float32
}

// NewAdamWStep prepares update number step (from 1); gradients are multiplied by scale.
func NewAdamWStep(rate, beta1, beta2, eps, decay, scale float64, step float64) AdamWStep {
	c1, c2 := 1-pow(beta1, step), 1-pow(beta2, step)
	return AdamWStep{[9]float32{
		float32(scale), float32(beta1), float32(1 - beta1), float32(beta2), float32(1 - beta2),
		float32(1 - rate*decay), float32(rate / c1), float32(1 / sqrt(c2)), float32(eps),
	}}
}

// Apply updates p, m and v by the gradient g.
func (s *AdamWStep) Apply(p, m, v, g []float32) {
	for i := 0; i < len(p); i += longest {
		adamw(&p[i], &m[i], &v[i], &g[i], min(longest, len(p)-i), &s.k[0])
	}
}
