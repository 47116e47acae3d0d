package small

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Small computes products inside an attention, on its caller's thread and in
// memory of the caller; its methods do not allocate. One Small serves one
// thread. Operands are brought into its order first, a left one [m, k] by Left,
// a right one [k, n] by Right or RightT, and may then be used in any number of products.
//
// A precision means what it means to a plan: float32 numbers are multiplied as
// they are, or split where the processor has fast tiles; see tilesPlan in package tiled.
type Small struct {
	level         isa.Level
	kernel        *kernels.Kernel // of float32
	tiled         bool            // made of bfloat16 tiles instead
	split         bool
	tiles         kernels.Tiles
	turn, turnLow kernels.Turner
	attention

	dot     kernels.DotArgs
	table   [kernels.MaxRows]uintptr
	partial [kernels.MaxRows * kernels.MaxCols]float32
	bias    [kernels.MaxCols]float32 // zeros
	tileMemory
}

// Left is a left operand [m, k] of small products.
type Left struct {
	rows   []float32 // float32, or words of two bfloat16
	stride int       // from one row to the next
	depth  int       // k
}

var (
	smallLevel  = isa.Current()
	smallKernel = kernels.For(smallLevel)
)

// NewSmall returns the products of a precision on this processor.
func NewSmall(prec plans.Precision) *Small {
	if use, split := plans.UseTiles(prec, smallLevel); use {
		return NewSmallTiles(smallLevel, split)
	}
	return &Small{level: smallLevel, kernel: &smallKernel}
}

// Rows is the number of rows that are computed together: blocks of a multiple
// of it waste nothing.
func (s *Small) Rows() int {
	if s.tiled {
		return kernels.Side
	}
	return s.kernel.Rows
}

// Scalable tells whether a packed right operand is made of float32 numbers, so
// that multiplying all of them by a number scales it.
func (s *Small) Scalable() bool { return !s.tiled }

// LeftLen is the number of words that Left needs for an operand [m, k].
func (s *Small) LeftLen(m, k int) int {
	if s.tiled {
		return s.leftTileLen(m, k)
	}
	return 0
}

// Left makes the operand a [m, k] in memory of LeftLen words. In float32 the operand is
// a itself.
func (s *Small) Left(memory []float32, a vec.Matrix) Left {
	if s.tiled {
		return s.leftTiles(memory, a)
	}
	return Left{a.X, a.Stride, a.Cols}
}

// RightLen is the number of words that Right needs for an operand [k, n]; that
// of 32 columns more begins RightLen(32, k) words later.
func (s *Small) RightLen(n, k int) int {
	if s.tiled {
		return s.rightTileLen(n, k)
	}
	return plans.RoundUp(n, s.kernel.Cols) * k
}

// Right packs the operand b [k, n] into RightLen words.
func (s *Small) Right(packed []float32, b vec.Matrix) {
	if s.tiled {
		s.rightTiles(packed, b)
		return
	}
	cols := s.kernel.Cols
	for first := 0; first < b.Cols; first += cols {
		panel, count := s.panel(packed, b.Rows, first, b.Cols)
		for i := range b.Rows {
			copy(panel[i*cols:][:count], b.X[i*b.Stride+first:])
		}
	}
}

// RightT packs the operand that is the transpose of b [n, k] into RightLen words.
func (s *Small) RightT(packed []float32, b vec.Matrix) {
	if s.tiled {
		s.rightTilesT(packed, b)
		return
	}
	cols := s.kernel.Cols
	for first := 0; first < b.Rows; first += cols {
		panel, count := s.panel(packed, b.Cols, first, b.Rows)
		plans.Transpose(panel, cols, b.X[first*b.Stride:], b.Stride, count, b.Cols)
	}
}

// panel is the place of the columns from first on of an operand [k, n], cleared where
// there are fewer than fill it, and the number that there are.
func (s *Small) panel(packed []float32, k, first, n int) (panel []float32, count int) {
	cols := s.kernel.Cols
	panel, count = packed[first*k:][:k*cols], min(cols, n-first)
	if count < cols {
		clear(panel)
	}
	return panel, count
}

// Mul computes c [m, n] (+)= left [m, k] · right [k, n].
func (s *Small) Mul(c vec.Matrix, left Left, right []float32, accumulate bool) {
	if s.tiled {
		s.mulTiles(c, left, right, accumulate)
		return
	}
	kn, k := s.kernel, left.depth
	args := &s.dot
	*args = kernels.DotArgs{Table: &s.table[0], Taps: 1, Depth: k, Bias: &s.bias[0], Stride: c.Stride * 4, Partial: &s.partial[0]}
	for row := 0; row < c.Rows; row += kn.Rows {
		args.Valid = min(kn.Rows, c.Rows-row)
		for r := range kn.Rows {
			s.table[r] = kernels.AddressOf(left.rows[(row+min(r, args.Valid-1))*left.stride:])
		}
		for first := 0; first < c.Cols; first += kn.Cols {
			cols := min(kn.Cols, c.Cols-first)
			args.B, args.Y, args.Mask = &right[first*k], kernels.AddressOf(c.X[row*c.Stride+first:]), plans.LowMask(cols)
			if accumulate {
				args.Add = args.Y
			}
			kernels.CallDot(s.level, args)
		}
	}
}

// Fetch brings numbers that operands are made of into the second-level cache, where tiles
// multiply.
func (s *Small) Fetch(x []float32) {
	if s.tiled {
		s.tiles.Prefetch(&x[0], 0, plans.CeilDiv(len(x), 16), 1)
	}
}
