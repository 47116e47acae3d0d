package small

import (
	"math"
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// attendKeys is the most keys of a block: their probabilities stay in the first-level
// cache until they are multiplied with the values.
const attendKeys = 256

// AttendKeys is that number for this precision; low parts take as much room again.
func (s *Small) AttendKeys() int { return attendKeys / s.parts() }

// Queries are queries that attend, and the sums of what they have seen.
type Queries struct {
	rows, d     int
	scale       float32 // to logarithms to base 2
	left        Left
	memory      []float32
	scores      []float32
	probs       []float32
	sums        []float32 // [32][16]
	top, totals []float32 // [32] and [32][16]
	acc         vec.Grid  // [32, d]
	begun       bool
}

// attention is what a Small needs for Attend.
type attention struct {
	kernels.Attender
	to     kernels.AttendArgs
	kSteps [maxSteps][2]int
	vSteps [attendKeys / kernels.Step][2]int
}

// maxSteps bounds the number of dimensions that attend.
const maxSteps = 64

// Attends tells whether Attend takes queries of d dimensions.
func (s *Small) Attends(d int) bool {
	return s.Attender.Attend != nil && (2*s.parts()-1)*smallLanes(d) <= maxSteps*kernels.Step
}

// QueriesLen is the number of words that 32 queries need.
func (s *Small) QueriesLen(d int) int {
	return kernels.Queries*s.queryLen(d) + s.GridLen(kernels.Queries, d) + 17*kernels.Queries + 16
}

// ScoresLen is the number of words for scores, which all queries of a thread may share.
func (s *Small) ScoresLen() int { return kernels.Queries * (16 + s.AttendKeys() + attendKeys/2) }

// NewQueries are queries of d dimensions in memory of QueriesLen and ScoresLen words.
func (s *Small) NewQueries(memory, scores []float32, d int) Queries {
	left, grid := kernels.Queries*s.queryLen(d), s.GridLen(kernels.Queries, d)
	return Queries{
		d: d, memory: memory[:left], acc: s.Grid(memory[left:][:grid], kernels.Queries, d),
		top: memory[left+grid:][:kernels.Queries], totals: memory[left+grid+kernels.Queries:][:16*kernels.Queries],
		sums: scores[:16*kernels.Queries], scores: scores[16*kernels.Queries:], probs: scores[(16+s.AttendKeys())*kernels.Queries:],
	}
}

// Begin begins with rows queries in the rows of x, ldx apart, whose scores are
// products times a positive scale.
func (s *Small) Begin(q *Queries, rows int, scale float32, x []float32, ldx int) {
	q.rows, q.scale, q.begun = rows, scale*math.Log2E, false
	if s.joined(q.d) {
		q.left = Left{q.memory, s.queryLen(q.d)}
		s.join(kernels.WordsOf(q.memory), q.left.distance, q.d, q.d/2, x, ldx, q.d, rows)
	} else {
		q.left = s.Left(q.memory, rows, q.d, x, ldx)
	}
	for r := range q.top {
		q.top[r] = float32(math.Inf(1))
	}
}

// Split queries and keys of few dimensions are joined, so that the three products of
// their parts fill whole steps: rows are [high, high, low] of queries and [high,
// low, high] of keys.

// joined tells whether that makes fewer steps.
func (s *Small) joined(d int) bool {
	return s.split && d%2 == 0 && smallLanes(3*d) < min(3*smallLanes(d), 2*len(s.words)/kernels.Side)
}

// rowLen is the number of words of a row of keys.
func (s *Small) rowLen(d int) int {
	if s.joined(d) {
		return smallLanes(3*d) / 2
	}
	return s.parts() * smallLanes(d) / 2
}

// queryLen is that of a row of queries, see leftDistance.
func (s *Small) queryLen(d int) int { return s.rowLen(d) | 16 }

// join rounds rows of n numbers, lds apart, to rows of dst, ldd words apart: high
// parts, low ones low words further on, and again high ones.
func (s *Small) join(dst []uint32, ldd, low, again int, src []float32, lds, n, count int) {
	clear(dst[:count*ldd])
	s.round(s.tiles.Rows, dst, ldd, low, 0, src, lds, n, count)
	s.convert.Dst, s.convert.Low = unsafe.Pointer(&dst[again]), 0
	s.tiles.Rows(&s.convert)
}

// KeysLen is the number of words that Keys needs.
func (s *Small) KeysLen(d, keys int) int { return plans.RoundUp(keys, kernels.Side) * s.rowLen(d) }

// Keys packs the keys [keys, d] for Attend; rows of k are ldk apart.
func (s *Small) Keys(packed []float32, d, keys int, k []float32, ldk int) {
	if !s.joined(d) {
		s.Right(packed, true, keys, d, k, ldk)
		return
	}
	row, panel := s.rowLen(d), kernels.WordsOf(packed)
	for first := 0; first < keys; first += kernels.Side {
		s.join(s.words[:], row, d/2, d, k[first*ldk:], ldk, d, min(kernels.Side, keys-first))
		for c := 0; c < row; c += 16 {
			at := panel[(first/kernels.Side*row+c)*kernels.Side:]
			s.tiles.Transpose(&at[0], 64, &s.words[c], row*4)
			s.tiles.Transpose(&at[kernels.TileWords], 64, &s.words[16*row+c], row*4)
		}
	}
}

// Values have for every 32 keys [part][k pair][columns], in rows of whole tiles, so
// that what a step reads lies side by side.

// valuesRow is the number of words of a pair of rows of d values, see leftDistance.
func valuesRow(d int) int { return plans.RoundUp(d, 16) | 16 }

// ValuesLen is the number of words that Values needs, and some that the twin reads in vain.
func (s *Small) ValuesLen(d, keys int) int {
	return s.parts()*smallLanes(keys)/2*valuesRow(d) + 16
}

// Values packs the values [keys, d] for Attend; rows of v are ldv apart.
func (s *Small) Values(packed []float32, d, keys int, v []float32, ldv int) {
	row := valuesRow(d)
	for from := 0; from < keys; from += kernels.Step {
		s.roundPairs(kernels.WordsOf(packed)[from/2*s.parts()*row:], row, kernels.Step/2*row, 0, v, ldv, d, keys, from)
	}
}

// Attend takes the queries to blocks of keys, each of which lies block words after
// the last: Keys, and values words further on Values.
func (s *Small) Attend(q *Queries, by *vec.Softmax, blocks, keys int, packed []float32, block, values int) {
	a := &s.to
	s.describeAttend(q, keys)
	a.K, a.V, a.Block = kernels.AddressOf(packed), kernels.AddressOf(packed[values:]), block*4
	a.Blocks, a.Mode = blocks, kernels.TopStays
	if !q.begun {
		a.Mode = kernels.TopFound
	}
	for {
		a.Begun = 0
		if q.begun {
			a.Begun = 1
		}
		s.Attender.Attend(a)
		q.begun = q.begun || a.Done > 0
		if a.Done == a.Blocks {
			return
		}
		a.K += uintptr(a.Done * a.Block)
		a.V += uintptr(a.Done * a.Block)
		a.Blocks -= a.Done
		a.Mode = kernels.TopOnly
		copy(by.Top, q.top)
		s.Attender.Attend(a)
		q.lower(by)
		a.Mode = kernels.TopOfScore
	}
}

// lower multiplies the sums by what the tops, minus by.Top before, have changed.
func (q *Queries) lower(by *vec.Softmax) {
	for r := range q.rows {
		by.Shrink[r] = float32(math.Exp2(float64(q.top[r] - by.Top[r])))
	}
	by.Rescale(q.acc, q.rows, q.d)
	by.Rescale(vec.Grid{X: q.totals, Row: 16, Panel: kernels.Side}, q.rows, 16)
}

// Finish divides the sums by their totals and stores them in rows of y, ldy apart;
// by's Top and Total are those of the queries then.
func (s *Small) Finish(q *Queries, by *vec.Softmax, y []float32, ldy int) {
	s.Fold(&by.Total[0], &q.totals[0])
	for r, top := range q.top[:q.rows] {
		by.Top[r] = -top * math.Ln2
	}
	by.Finish(y, ldy, q.acc, q.rows, q.d)
}

// products are the parts of a left and a right operand that a product is the sum of.
var products = [3][2]int{{0, 0}, {0, 1}, {1, 0}}

// describeAttend is what depends on the queries and the number of keys.
func (s *Small) describeAttend(q *Queries, keys int) {
	a := &s.to
	part, lanes := smallLanes(q.d), smallLanes(keys)
	taps := products[:2*s.parts()-1]
	if s.joined(q.d) {
		part, taps = s.rowLen(q.d)*2, products[:1]
	}
	a.KPanel, a.Ldv = s.rowLen(q.d)*kernels.Side*4, valuesRow(q.d)*4
	n := 0
	for _, at := range taps {
		for from := 0; from < part; from += kernels.Step {
			s.kSteps[n] = [2]int{(at[0]*part + from) * 2, (at[1]*part + from) * kernels.Side * 2}
			n++
		}
	}
	a.KSteps, a.KCount = &s.kSteps[0], n
	for i := range lanes / kernels.Step {
		s.vSteps[i] = [2]int{i * kernels.Step * kernels.Queries * 2 * s.parts(), i * kernels.Step * s.parts() / 2 * a.Ldv}
	}
	a.VSteps, a.VCount = &s.vSteps[0], lanes/kernels.Step
	a.Q, a.Ldq = kernels.AddressOf(q.left.rows), q.left.distance*4
	a.Panels, a.Last = lanes/kernels.Side, int(plans.LowMask(keys-lanes+kernels.Side))
	a.Tiles, a.Rows = plans.CeilDiv(q.d, 16), q.rows
	a.Scores, a.Probs, a.Scale = &q.scores[0], &q.probs[0], q.scale
	a.Top, a.Sums, a.Totals = &q.top[0], &q.sums[0], &q.totals[0]
	a.Acc, a.AccPanel = &q.acc.X[0], q.acc.Panel*4
}
