// Package gemm plans and computes matrix products and convolutions, forward
// and backward.
//
// One idea serves them all: the indirect product. A row of the left operand is
// found through an address of its own, so a convolution is a product whose
// rows are pixels shifted by each tap of the kernel, and no im2col is built.
// In float32 the tiles are registers (AVX-512, AVX2, or plain Go); in bfloat16
// they are tiles of 32x32 (AMX or AVX-512 BF16) over a zero-padded copy of some rows
// of the picture, where a shift by a tap is a constant distance. Float32 uses those
// on AMX too, with every number split into two. Its 3x3 convolutions take Winograd's
// way where that is faster, along rows on AMX and in both directions elsewhere.
//
// table.go says which algorithm serves a shape. The algorithms have rooms of their own:
// indirect (products of registers), tiled (products of tiles), winograd (F(2x2) and F(4x4)
// over two dimensions), winorows (F(2,3) along rows, on tiles) and small (products inside
// attention). Below them, plans has what a product is and its plan, kernels the inner loops.
//
// A plan depends on the shape of one picture and on the processor, never on
// the number of pictures or workers, and each result's sums have one order:
// the bits are the same alone or in a batch, on one thread or many.
package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/small"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

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

// What computes parts of larger computations: see packages small and tiled.
type (
	GradSum   = tiled.GradSum
	KeyBlocks = small.KeyBlocks
	Left      = small.Left
	Queries   = small.Queries
	Small     = small.Small
)

// NewSmall returns the small products of a precision on this processor.
func NewSmall(prec Precision) *Small { return small.NewSmall(prec) }

// NewSmallTiles returns the small products made of a level's bfloat16 tiles, rounded or
// split, whether or not that is the fastest way.
func NewSmallTiles(level isa.Level, split bool) *Small { return small.NewSmallTiles(level, split) }

// NewGradSum plans for blocks of so many of the s.K rows, by one worker each.
func NewGradSum(s MatMul, rows int, prec Precision, workers int) *GradSum {
	return tiled.NewGradSum(s, rows, prec, workers)
}
