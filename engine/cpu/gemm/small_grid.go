package gemm

import "github.com/ldm-go/ldm/engine/cpu/vec"

// A grid is a product in the order in which it is computed, which costs less than
// bringing it into rows: of tiles panels of 32 columns, in whole tiles of rows.
// What fills up the last tiles is anything.

// gridSpace keeps the panels of a row from meeting in the same lines of a cache.
const gridSpace = 32

// GridLen is the number of words of a grid [m, n].
func (s *Small) GridLen(m, n int) int {
	if s.tiled {
		return ceilDiv(n, side) * (roundUp(m, side)*side + gridSpace)
	}
	return m * n
}

// Grid views GridLen words as a grid [m, n].
func (s *Small) Grid(memory []float32, m, n int) vec.Grid {
	if s.tiled {
		return vec.Grid{X: memory, Row: side, Panel: roundUp(m, side)*side + gridSpace}
	}
	return vec.Grid{X: memory, Row: n, Panel: side}
}

// MulGrid computes the grid c [m, n] (+)= left [m, k] · right [k, n].
func (s *Small) MulGrid(m, n, k int, left Left, right []float32, accumulate bool, c vec.Grid) {
	if !s.tiled {
		s.Mul(m, n, k, left, right, accumulate, c.X, c.Row)
		return
	}
	size := s.panelLen(k)
	s.describe(k, left)
	s.args.resume = 0
	if accumulate {
		s.args.resume = 1
	}
	for row := 0; row < m; row += smallTiles * side {
		s.args.count = ceilDiv(min(smallTiles*side, m-row), side)
		s.args.a = addressOf(left.rows[row*left.distance:])
		for first := 0; first < n; first += side {
			s.args.b = addressOf(right[first/side*size:])
			s.args.acc = &c.X[first/side*c.Panel+row*side]
			s.tile(&s.args)
		}
	}
}

// Softmax makes a left operand [m, n] of a block of scores in a grid, by
// vec.Softmax.Block, in memory of LeftLen words; in float32 where the scores are.
func (s *Small) Softmax(by *vec.Softmax, memory []float32, scores vec.Grid, m, n, seen int, causal bool) (p Left, grown bool) {
	if !s.tiled {
		return Left{scores.X, scores.Row}, by.Block(scores, m, n, seen, causal, vec.Halves{})
	}
	halves := vec.Halves{X: memory, Distance: s.leftDistance(n)}
	if s.split {
		halves.Low = smallLanes(n) / 2
	}
	return Left{memory, halves.Distance}, by.Block(scores, m, n, seen, causal, halves)
}
