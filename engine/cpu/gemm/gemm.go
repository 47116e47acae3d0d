// Package gemm plans and computes matrix products and convolutions, forward
// and backward.
//
// One idea serves them all: the indirect product. A row of the left operand is
// found through an address of its own, so a convolution is a product whose
// rows are pixels shifted by each tap of the kernel, and no im2col is built.
// In float32 the tiles are registers (AVX-512, AVX2, or plain Go); in bfloat16
// they are tiles of 32x32 (AMX or AVX-512 BF16) over a zero-padded copy of a band
// of the picture, where a shift by a tap is a constant distance. Float32 uses those
// on AMX too, with every number split into two. Its 3x3 convolutions take Winograd's
// way where that is faster, along rows on AMX and in both directions elsewhere.
//
// table.go says which algorithm serves a shape. Its rooms: plans has what a product
// is and what a plan of it is, kernels the inner loops.
//
// A plan depends on the shape of one picture and on the processor, never on
// the number of pictures or workers, and each result's sums have one order:
// the bits are the same alone or in a batch, on one thread or many.
package gemm

import "github.com/ldm-go/ldm/engine/cpu/gemm/plans"

// What products are made of: see package plans.
type (
	Args      = plans.Args
	Conv      = plans.Conv
	MatMul    = plans.MatMul
	Norm      = plans.Norm
	Plan      = plans.Plan
	Precision = plans.Precision
	Weights   = plans.Weights
)

// Precisions.
const (
	F32   = plans.F32
	BF16  = plans.BF16
	Exact = plans.Exact
)

// Transpose writes the transpose of src [rows, cols] to dst [cols, rows]; ldd
// and lds are the distances of rows.
func Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	plans.Transpose(dst, ldd, src, lds, rows, cols)
}
