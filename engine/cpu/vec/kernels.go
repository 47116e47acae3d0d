package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

// Positions in the lists of kernels.
const (
	fnExp = iota
	fnSiLU
	fnGELU
	fnQuickGELU
	fnReLU
	unaryCount
)

const (
	fnAdd = iota
	fnSub
	fnMul
	fnDiv
	fnMaximum
	fnSiLUGrad
	fnGELUGrad
	fnReLUGrad
	fnGEGLU
	binaryCount
)

const (
	fnAffineRows = iota
	fnAffineSiLURows
	fnMomentsRows
	fnSumRows
	fnNormBackRows
	fnNormSiLUBackRows
	fnCombineRows
	rowCount
)

//go:generate go run github.com/ldm-go/ldm/internal/twins kernels_amd64.go.tmpl map_amd64.s.tmpl fold_amd64.s.tmpl layer_amd64.s.tmpl

// kernels is an implementation of everything here; the functions that callers
// use say what each computes. n is at least 1.
type kernels struct {
	elementKernels
	foldKernels
	normKernels
	scoreKernels

	half  [3]converter                           // by tensor.Format
	round func(dst *uint16, src *float32, n int) // to bfloat16 by the processor's instruction, if it has one that is used alone
}

// elementKernels are functions of elements.
type elementKernels struct {
	unary       [unaryCount]func(dst, x *float32, n int)
	binary      [binaryCount]func(dst, x, y *float32, n int)
	affine      func(dst, x *float32, n int, a, b float32)
	scaledSum   func(dst, x, y *float32, n int, a, b float32)
	gegluGrad   func(dvalue, dgate, value, gate, dy *float32, n int)
	gegluBoth   func(value, gate, dy *float32, n int)
	softmaxGrad func(dx, y, dy *float32, n int, delta float32)
	adamw       func(p, m, v, g *float32, n int, k *float32)
}

// foldKernels make one number of an array.
type foldKernels struct {
	expSum      func(dst, x *float32, n int, shift float32) float32
	max         func(x *float32, n int) float32
	sum         func(x *float32, n int) float32
	deviation   func(x *float32, n int, mean float32) float32
	dot         func(x, y *float32, n int) float32
	squaredNorm func(x *float32, n int) float64
}

// normKernels normalise channels of rows, and rows.
type normKernels struct {
	rows          [rowCount]func(*rowArgs)
	layerNorm     func(y, x, gamma, beta *float32, n int, mean, rstd float32)
	layerNormSums func(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
	layerNormGrad func(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
}

// scoreKernels make softmaxes of blocks of scores: in place, to bfloat16, to both its
// parts; nil: row by row.
type scoreKernels struct {
	softmax      [3]func(*softmaxArgs)
	softmaxGrads [3]func(*gradArgs)
	scaleRows    func(*scaleArgs)
}

// use is the implementation of this process.
var use = kernelsOf(isa.Current())

// longest keeps assembly calls short, since the runtime cannot interrupt them.
const longest = 1 << 16
