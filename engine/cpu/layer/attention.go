package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Attention is softmax(Scale·q·kᵀ)·v for each head. Only blocks of the scores exist at a
// time. With Causal, position t sees 0 … t alone. The softmax and all sums are float32.
type Attention struct {
	N, T, S, Heads, D int
	Scale             float32
	Causal            bool
	Products          func(worker int) *gemm.Small // nil: those of float32
}

// AttentionArgs are the operands and the results of an attention.
type AttentionArgs struct {
	Q, Y []float32 // [N, T, Heads·D]
	K, V []float32 // [N, S, Heads·D]
	LSE  []float32 // [N, Heads, T]: the logarithm of the sum of exponentials of a row
}

// AttentionGrads are the gradient to Y and, of its shapes, those that are computed from it.
type AttentionGrads struct{ DY, DQ, DK, DV []float32 }

// queryBlock and keyBlock are the most queries and keys whose scores exist
// together: they stay in the second-level cache.
const (
	queryBlock = 128
	keyBlock   = 256
)

const (
	// taskFlops is the work that makes a task worth its start.
	taskFlops = 1 << 20
	// fewPositions and enoughPictures bound attentions whose tasks take whole pictures.
	fewPositions, enoughPictures = 288, 16
)

// taskHeads is the number of heads, of so much work each, in a task. Those of a picture lie
// side by side in memory: if there are pictures enough, a task takes all of one.
func (a *Attention) taskHeads(work int) int {
	n := max(taskFlops/work, 1)
	if a.manyPictures() {
		n = max(n, a.Heads)
	}
	return n
}

// manyPictures tells whether there are tasks enough though each takes a picture.
func (a *Attention) manyPictures() bool {
	return a.N >= enoughPictures && max(a.T, a.S) <= fewPositions
}

// products are those of one worker.
func (a *Attention) products(worker int) *gemm.Small {
	if a.Products != nil {
		return a.Products(worker)
	}
	return gemm.NewSmall(gemm.F32)
}

// width is the distance of the rows of q, k, v and y.
func (a *Attention) width() int { return a.Heads * a.D }

// mask is that of a block of scores, of the queries from t on and count keys from s on.
func (a *Attention) mask(t, s, count int) vec.Mask {
	if a.Causal {
		return vec.Mask{Seen: t + 1 - s, Causal: true}
	}
	return vec.Mask{Seen: count}
}

// rowsOf are the rows of a head, so many, that begin at a number of an operand.
func (a *Attention) rowsOf(x []float32, at, rows int) vec.Matrix {
	return vec.Matrix{X: x[at:], Rows: rows, Cols: a.D, Stride: a.width()}
}

// ScratchLen is the number of words of scratch memory that so many workers need.
func (a Attention) ScratchLen(workers int, backward bool) int {
	if a.S == 1 {
		return 0
	}
	var m memory
	if backward {
		a.planBackward().divide(&m, workers)
	} else {
		a.planForward(workers).divide(&m, workers)
	}
	return m.used
}

// memory is cut into arrays; without words it only counts them.
type memory struct {
	words []float32
	used  int
}

func (m *memory) take(n int) []float32 {
	from := m.used
	m.used += (n + 15) / 16 * 16
	if m.words == nil {
		return nil
	}
	return m.words[from:][:n:n]
}

// even is the length of a block when n things are cut into as few blocks of at
// most that length as can be, all of one length, a multiple of factor.
func even(n, most, factor int) int {
	return roundUp(ceilDiv(n, ceilDiv(n, most)), factor)
}

func roundUp(a, b int) int { return ceilDiv(a, b) * b }

// scaledRows is the number of rows that are scaled on the way to an operand.
const scaledRows = 32

// packer packs operands of one worker.
type packer struct {
	small   *gemm.Small
	rows    []float32 // [scaledRows, D]
	scaling vec.Scaling
}

// packScaled packs the transpose of scale·x for a product's right side.
func (p *packer) packScaled(packed []float32, scale float32, x vec.Matrix) {
	n, d := x.Rows, x.Cols
	if scale == 1 {
		p.small.RightT(packed, x)
		return
	}
	if p.small.Scalable() {
		packed = packed[:p.small.RightLen(n, d)]
		p.small.RightT(packed, x)
		vec.Affine(packed, packed, scale, 0)
		return
	}
	for from := 0; from < n; from += scaledRows {
		part := x.From(from, scaledRows)
		p.scaling.Rows(p.rows, d, part, scale)
		p.small.RightT(packed[p.small.RightLen(from, d):], vec.Matrix{X: p.rows, Rows: part.Rows, Cols: d, Stride: d})
	}
}
