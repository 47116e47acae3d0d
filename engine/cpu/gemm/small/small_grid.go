package small

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// A grid is a product in the order in which it is computed, which costs less than
// bringing it into rows: of tiles panels of 32 columns, in whole tiles of rows.
// What fills up the last tiles is anything.

// gridSpace keeps the panels of a row from meeting in the same lines of a cache.
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
		return vec.Grid{X: memory, Row: kernels.Side, Panel: plans.RoundUp(m, kernels.Side)*kernels.Side + gridSpace}
	}
	return vec.Grid{X: memory, Row: n, Panel: kernels.Side}
}

// MulGrid computes the grid c [m, n] (+)= left [m, k] · right [k, n].
func (s *Small) MulGrid(m, n, k int, left Left, right []float32, accumulate bool, c vec.Grid) {
	if !s.tiled {
		s.Mul(m, n, k, left, right, accumulate, c.X, c.Row)
		return
	}
	size := s.panelLen(k)
	s.describe(k, left)
	s.args.Resume = 0
	if accumulate {
		s.args.Resume = 1
	}
	for row := 0; row < m; row += smallTiles * kernels.Side {
		s.args.Count = plans.CeilDiv(min(smallTiles*kernels.Side, m-row), kernels.Side)
		s.args.A = kernels.AddressOf(left.rows[row*left.distance:])
		for first := 0; first < n; first += kernels.Side {
			s.args.B = kernels.AddressOf(right[first/kernels.Side*size:])
			s.args.Acc = &c.X[first/kernels.Side*c.Panel+row*kernels.Side]
			s.tiles.Tile(&s.args)
		}
	}
}

// halves views LeftLen words as the left operand [.., k] that vec makes of scores.
func (s *Small) halves(memory []float32, k int) (Left, vec.Halves) {
	h := vec.Halves{X: memory, Distance: s.leftDistance(k)}
	if s.split {
		h.Low = smallLanes(k) / 2
	}
	return Left{memory, h.Distance}, h
}

// Softmax makes a left operand [m, n] of a block of scores in a grid, by
// vec.Softmax.Block, in memory of LeftLen words; in float32 where the scores are.
func (s *Small) Softmax(by *vec.Softmax, memory []float32, scores vec.Grid, m, n, seen int, causal bool) (p Left, grown bool) {
	if !s.tiled {
		return Left{scores.X, scores.Row}, by.Block(scores, m, n, seen, causal, vec.Halves{})
	}
	p, halves := s.halves(memory, n)
	return p, by.Block(scores, m, n, seen, causal, halves)
}

// SoftmaxGrads makes probabilities of the scores [m, n] in a grid and gradients of
// the scores of theirs, by vec.SoftmaxGrads.Block, and of these a left operand in
// memory of LeftLen words; in float32 where they are.
func (s *Small) SoftmaxGrads(by *vec.SoftmaxGrads, memory []float32, scores, grads vec.Grid, m, n, seen int, causal, whole bool, lse []float32) Left {
	if !s.tiled {
		by.Block(scores, grads, m, n, seen, causal, whole, lse, vec.Halves{})
		return Left{grads.X, grads.Row}
	}
	left, halves := s.halves(memory, n)
	by.Block(scores, grads, m, n, seen, causal, whole, lse, halves)
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
// other product needs, in memory of MulTLen words; ldb and ldc are the distances
// of rows. What fills up the last tiles of a's rows becomes zero.
func (s *Small) MulT(memory []float32, m, n, k int, a vec.Grid, b []float32, ldb int, accumulate bool, c []float32, ldc int) {
	size := s.leftTLen(m, k)
	left := Left{memory[:size], k}
	if s.tiled {
		left = s.leftGridT(memory[:size], m, k, a)
	} else {
		plans.Transpose(memory, k, a.X, a.Row, k, m)
	}
	s.Right(memory[size:], false, n, k, b, ldb)
	s.Mul(m, n, k, left, memory[size:], accumulate, c, ldc)
}

// leftGridT makes the operand aᵀ [m, k] of a grid a [k, m], in whole blocks of 16
// rows.
func (s *Small) leftGridT(memory []float32, m, k int, a vec.Grid) Left {
	ld, lanes := s.leftDistance(k), smallLanes(k)
	out := kernels.WordsOf(memory)
	for c := 0; c < m; c += 16 {
		column := a.X[c/kernels.Side*a.Panel+c%kernels.Side:]
		for r := k; r < lanes; r++ {
			clear(column[r*a.Row:][:16])
		}
		s.turn(&out[c*ld], ld*4, &column[0], a.Row*4, lanes/kernels.Step)
		if s.split {
			s.turnLow(&out[c*ld+lanes/2], ld*4, &column[0], a.Row*4, lanes/kernels.Step)
		}
	}
	return Left{memory, ld}
}
