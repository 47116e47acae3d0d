// Package vec holds the vector primitives under the layers: functions of whole
// arrays and of rows of channels, in AVX-512 or AVX2 assembly where the
// processor has it, and in plain Go, the reference for tests, elsewhere.
//
// Every function runs on the caller's thread and does not allocate. Results
// depend on the values and the length alone; those of functions of elements do
// not depend on an element's place either, and AVX-512 and AVX2 give the same
// bits for all but sums across an array. Slices have at least n (the length of
// dst) elements; dst may be x or y itself.
//
// Errors stated here are those of both assembly paths, found over all float32
// of the range named, or over dense samples of it; plain Go rounds float64
// results. At ±Inf, where a formula has the form 0·∞, results are not finite.
package vec

func apply1(fn int, dst, x []float32) {
	for i := 0; i < len(dst); i += longest {
		n := min(longest, len(dst)-i)
		use.unary[fn](&dst[i], &x[i], n)
	}
}

func apply2(fn int, dst, x, y []float32) {
	for i := 0; i < len(dst); i += longest {
		n := min(longest, len(dst)-i)
		use.binary[fn](&dst[i], &x[i], &y[i], n)
	}
}

// Exp is e^x, with a relative error below 2e-7; x is limited to [-87, 88].
func Exp(dst, x []float32) { apply1(fnExp, dst, x) }

// SiLU is x·σ(x), with an error below 2e-7 of |x|.
func SiLU(dst, x []float32) { apply1(fnSiLU, dst, x) }

// GELU is x·Φ(x) (the exact form), with an error below 3e-7 of |x|.
func GELU(dst, x []float32) { apply1(fnGELU, dst, x) }

// QuickGELU is x·σ(1.702·x), with an error below 2e-7 of |x|.
func QuickGELU(dst, x []float32) { apply1(fnQuickGELU, dst, x) }

// ReLU is max(x, 0).
func ReLU(dst, x []float32) { apply1(fnReLU, dst, x) }

// SiLUGrad is dy·SiLU'(x), with an error below 3e-7·max(|x|, 1) of |dy|.
func SiLUGrad(dst, x, dy []float32) { apply2(fnSiLUGrad, dst, x, dy) }

// GELUGrad is dy·GELU'(x), with an error below 4e-7·max(|x|, 1) of |dy|.
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

// Maximum is the larger of x and y, x of equals, and NaN where one of them is.
func Maximum(dst, x, y []float32) { apply2(fnMaximum, dst, x, y) }

// Affine is a·x + b.
func Affine(dst, x []float32, a, b float32) {
	for i := 0; i < len(dst); i += longest {
		use.affine(&dst[i], &x[i], min(longest, len(dst)-i), a, b)
	}
}

// ScaledSum is a·x + b·y.
func ScaledSum(dst, x, y []float32, a, b float32) {
	for i := 0; i < len(dst); i += longest {
		use.scaledSum(&dst[i], &x[i], &y[i], min(longest, len(dst)-i), a, b)
	}
}

// GEGLU is value·GELU(gate), with an error below 4e-7 of |value·gate|.
func GEGLU(dst, value, gate []float32) { apply2(fnGEGLU, dst, value, gate) }

// GEGLUGrad is the gradient of GEGLU for value and gate; dvalue and dgate may be
// value and gate themselves. Errors are below 4e-7 of |dy·gate| and
// 5e-7·max(|gate|, 1) of |dy·value|.
func GEGLUGrad(dvalue, dgate, value, gate, dy []float32) {
	for i := 0; i < len(dvalue); i += longest {
		use.gegluGrad(&dvalue[i], &dgate[i], &value[i], &gate[i], &dy[i], min(longest, len(dvalue)-i))
	}
}

// GEGLUBoth replaces value and gate by GEGLUGrad, and dy by GEGLU itself.
func GEGLUBoth(value, gate, dy []float32) {
	for i := 0; i < len(dy); i += longest {
		use.gegluBoth(&value[i], &gate[i], &dy[i], min(longest, len(dy)-i))
	}
}

// SoftmaxGrad is y·(dy - delta): the gradient of a softmax with the result y,
// where delta is Dot(y, dy).
func SoftmaxGrad(dx, y, dy []float32, delta float32) {
	for i := 0; i < len(dx); i += longest {
		use.softmaxGrad(&dx[i], &y[i], &dy[i], min(longest, len(dx)-i), delta)
	}
}
