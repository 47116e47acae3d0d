package small

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// A grid is a product in the order in which it is computed, which costs less than
// bringing it into rows: of tiles panels of 32 columns, in whole tiles of rows.
// What fills up the last tiles is anything.

// gridSpace keeps the panels of a row from falling into the same sets of a cache.
const gridSpace = 32

// GridLen is the number of words of a grid [m, n].
func (s *Small) GridLen(m, n int) int {
	if s.tiled {
		return plans.CeilDiv(n, kernels.Side) * (plans.RoundUp(m, kernels.Side)*kernels.Side + gridSpace)
	}
	return m * n
}

// Grid views GridLen words as a grid [m, n].
func (s *Small) Grid(memory []float32, m, n int) vec.Grid {
	if s.tiled {
		return vec.Grid{X: memory, RowStride: kernels.Side, PanelStride: plans.RoundUp(m, kernels.Side)*kernels.Side + gridSpace, Rows: m, Cols: n}
	}
	return vec.Grid{X: memory, RowStride: n, PanelStride: kernels.Side, Rows: m, Cols: n}
}

// MulGrid computes the grid c [m, n] (+)= left [m, k] · right [k, n].
func (s *Small) MulGrid(c vec.Grid, left Left, right []float32, accumulate bool) {
	if !s.tiled {
		s.Mul(vec.Matrix{X: c.X, Rows: c.Rows, Cols: c.Cols, Stride: c.RowStride}, left, right, accumulate)
		return
	}
	size := s.panelLen(left.depth)
	s.describe(left)
	s.args.Resume = 0
	if accumulate {
		s.args.Resume = 1
	}
	for row := 0; row < c.Rows; row += tilesAtOnce * kernels.Side {
		s.args.Count = plans.CeilDiv(min(tilesAtOnce*kernels.Side, c.Rows-row), kernels.Side)
		s.args.A = kernels.AddressOf(left.rows[row*left.stride:])
		for first := 0; first < c.Cols; first += kernels.Side {
			s.args.B = kernels.AddressOf(right[first/kernels.Side*size:])
			s.args.Acc = &c.X[first/kernels.Side*c.PanelStride+row*kernels.Side]
			s.tiles.Tile(&s.args)
		}
	}
}

// halves views LeftLen words as the left operand [.., k] that vec makes of scores.
func (s *Small) halves(memory []float32, k int) (Left, vec.Halves) {
	h := vec.Halves{X: memory, Distance: s.leftStride(k)}
	if s.split {
		h.Low = smallLanes(k) / 2
	}
	return Left{memory, h.Distance, k}, h
}

// Softmax makes a left operand of a block of scores, by vec.Softmax.Block, in memory of
// LeftLen words; in float32 where the scores are.
func (s *Small) Softmax(by *vec.Softmax, memory []float32, scores vec.Grid, mask vec.Mask) (p Left, grown bool) {
	if !s.tiled {
		return leftGrid(scores), by.Block(scores, mask, vec.Halves{})
	}
	p, halves := s.halves(memory, scores.Cols)
	return p, by.Block(scores, mask, halves)
}

// leftGrid is a grid in rows as a left operand.
func leftGrid(g vec.Grid) Left { return Left{g.X, g.RowStride, g.Cols} }

// SoftmaxGrads makes probabilities of the scores, and gradients of the scores of grads,
// by vec.SoftmaxGrads.Block, and of these a left operand in memory of LeftLen words; in
// float32 where they are.
func (s *Small) SoftmaxGrads(by *vec.SoftmaxGrads, memory []float32, scores, grads vec.Grid, mask vec.Mask, lse []float32) Left {
	if !s.tiled {
		by.Block(scores, grads, mask, lse, vec.Halves{})
		return leftGrid(grads)
	}
	left, halves := s.halves(memory, scores.Cols)
	by.Block(scores, grads, mask, lse, halves)
	return left
}

// MulTLen is the number of words of memory that MulT needs.
func (s *Small) MulTLen(m, n, k int) int { return s.leftTLen(m, k) + s.RightLen(n, k) }

func (s *Small) leftTLen(m, k int) int {
	if s.tiled {
		return s.leftTileLen(m, k)
	}
	return m * k
}

// MulT computes c [m, n] (+)= aᵀ·b for a grid a [k, m] and b [k, n] that no
// other product needs, in memory of MulTLen words. What fills up the last tiles of a's
// rows becomes zero.
func (s *Small) MulT(memory []float32, c vec.Matrix, a vec.Grid, b vec.Matrix, accumulate bool) {
	size := s.leftTLen(a.Cols, a.Rows)
	left := Left{memory[:size], a.Rows, a.Rows}
	if s.tiled {
		left = s.leftGridT(memory[:size], a)
	} else {
		plans.Transpose(memory, a.Rows, a.X, a.RowStride, a.Rows, a.Cols)
	}
	s.Right(memory[size:], b)
	s.Mul(c, left, memory[size:], accumulate)
}

// leftGridT makes the operand aᵀ [m, k] of a grid a [k, m], in whole blocks of 16
// rows.
func (s *Small) leftGridT(memory []float32, a vec.Grid) Left {
	ld, lanes := s.leftStride(a.Rows), smallLanes(a.Rows)
	out := kernels.WordsOf(memory)
	for c := 0; c < a.Cols; c += 16 {
		column := a.X[c/kernels.Side*a.PanelStride+c%kernels.Side:]
		for r := a.Rows; r < lanes; r++ {
			clear(column[r*a.RowStride:][:16])
		}
		s.turn(&out[c*ld], ld*4, &column[0], a.RowStride*4, lanes/kernels.Step)
		if s.split {
			s.turnLow(&out[c*ld+lanes/2], ld*4, &column[0], a.RowStride*4, lanes/kernels.Step)
		}
	}
	return Left{memory, ld, a.Rows}
}
