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

// Begin begins with the queries in the rows of x, whose scores are products times a
// positive scale.
func (s *Small) Begin(q *Queries, scale float32, x vec.Matrix) {
	q.rows, q.scale, q.begun = x.Rows, scale*math.Log2E, false
	if s.joined(q.d) {
		q.left = Left{q.memory, s.queryLen(q.d), q.d}
		s.join(rounded{words: kernels.WordsOf(q.memory), stride: q.left.stride, low: q.d}, q.d/2, x)
	} else {
		q.left = s.Left(q.memory, x)
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

// queryLen is that of a row of queries, see leftStride.
func (s *Small) queryLen(d int) int { return s.rowLen(d) | 16 }

// join rounds the rows of src: to high parts, low ones, and high ones again, so many
// words behind the first.
func (s *Small) join(dst rounded, again int, src vec.Matrix) {
	clear(dst.words[:src.Rows*dst.stride])
	s.round(s.tiles.Rows, dst, src)
	s.convert.Dst, s.convert.Low = unsafe.Pointer(&dst.words[again]), 0
	s.tiles.Rows(&s.convert)
}

// KeysLen is the number of words that Keys needs.
func (s *Small) KeysLen(d, keys int) int { return plans.RoundUp(keys, kernels.Side) * s.rowLen(d) }

// Keys packs the keys [keys, d] for Attend.
func (s *Small) Keys(packed []float32, k vec.Matrix) {
	d := k.Cols
	if !s.joined(d) {
		s.RightT(packed, k)
		return
	}
	row, panel := s.rowLen(d), kernels.WordsOf(packed)
	for first := 0; first < k.Rows; first += kernels.Side {
		s.join(rounded{words: s.words[:], stride: row, low: d / 2}, d, k.From(first, kernels.Side))
		for c := 0; c < row; c += 16 {
			at := panel[(first/kernels.Side*row+c)*kernels.Side:]
			s.tiles.Transpose(&at[0], 64, &s.words[c], row*4)
			s.tiles.Transpose(&at[kernels.TileWords], 64, &s.words[16*row+c], row*4)
		}
	}
}

// Values have for every 32 keys [high, low][k pair][columns], in rows of whole tiles, so
// that what a step reads lies side by side.

// valuesRow is the number of words of a pair of rows of d values, see leftStride.
func valuesRow(d int) int { return plans.RoundUp(d, 16) | 16 }

// ValuesLen is the number of words that Values needs, and some that the twin reads in vain.
func (s *Small) ValuesLen(d, keys int) int {
	return s.parts()*smallLanes(keys)/2*valuesRow(d) + 16
}

// Values packs the values [keys, d] for Attend.
func (s *Small) Values(packed []float32, v vec.Matrix) {
	row := valuesRow(v.Cols)
	for from := 0; from < v.Rows; from += kernels.Step {
		words := kernels.WordsOf(packed)[from/2*s.parts()*row:]
		s.roundPairs(rounded{words: words, stride: row, low: kernels.Step / 2 * row}, v, from)
	}
}

// KeyBlocks are Count blocks of so many packed keys and their values: Packed begins with
// the Keys of the first, and Values words further on with its Values; the next block
// begins Stride words later.
type KeyBlocks struct {
	Packed         []float32
	Count, Keys    int
	Stride, Values int
}

// Attend takes the queries to blocks of keys.
func (s *Small) Attend(q *Queries, by *vec.Softmax, to KeyBlocks) {
	a := &s.to
	s.describeAttend(q, to.Keys)
	a.K, a.V, a.Block = kernels.AddressOf(to.Packed), kernels.AddressOf(to.Packed[to.Values:]), to.Stride*4
	a.Blocks, a.Mode = to.Count, kernels.TopStays
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
	by.Rescale(q.acc.Of(q.rows, q.d))
	by.Rescale(vec.Grid{X: q.totals, RowStride: 16, PanelStride: kernels.Side, Rows: q.rows, Cols: 16})
}

// Finish divides the sums by their totals and stores them in rows of y, ldy apart;
// by's Top and Total are those of the queries then.
func (s *Small) Finish(q *Queries, by *vec.Softmax, y []float32, ldy int) {
	s.Fold(&by.Total[0], &q.totals[0])
	for r, top := range q.top[:q.rows] {
		by.Top[r] = -top * math.Ln2
	}
	by.Finish(y, ldy, q.acc.Of(q.rows, q.d))
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
	a.Q, a.Ldq = kernels.AddressOf(q.left.rows), q.left.stride*4
	a.Panels, a.Last = lanes/kernels.Side, int(plans.LowMask(keys-lanes+kernels.Side))
	a.Tiles, a.Rows = plans.CeilDiv(q.d, 16), q.rows
	a.Scores, a.Probs, a.Scale = &q.scores[0], &q.probs[0], q.scale
	a.Top, a.Sums, a.Totals = &q.top[0], &q.sums[0], &q.totals[0]
	a.Acc, a.AccPanel = &q.acc.X[0], q.acc.PanelStride*4
}
