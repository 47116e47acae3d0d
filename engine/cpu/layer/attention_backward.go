package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// backward is a plan of the backward pass. The queries and the keys of a unit,
// one head of one picture, are cut into chunks. A task takes one chunk of each
// and adds what they give to dq, dk and dv; in every phase each chunk is in one
// task at most, so that the sums have one order and need no memory of their own.
type backward struct {
	Attention
	queries, keys           int // of a chunk
	queryChunks, keyChunks  int
	rows                    int     // queries whose scores exist together
	group                   int     // units of a task
	packedK, packedV, backK int     // words of right operands
	left, turned            int     // words of left operands and of transposed products
	packed, scores          float32 // the scale, as a factor of the operands and of the scores
}

// queryChunk is the most queries of a chunk; packing the keys for fewer would
// cost too much.
const (
	queryChunk    = 288
	backwardBlock = 96
)

func (a *Attention) planBackward() *backward {
	small := a.products(0)
	unit := small.Rows()
	b := &backward{Attention: *a, queries: even(a.T, queryChunk, unit), keys: even(a.S, keyBlock, 32)}
	b.queryChunks, b.keyChunks = ceilDiv(a.T, b.queries), ceilDiv(a.S, b.keys)
	b.rows = even(b.queries, backwardBlock, unit)
	b.packedK, b.packedV = small.RightLen(b.keys, a.D), small.RightLen(b.keys, a.D)
	b.backK = small.RightLen(a.D, b.keys)
	b.left = max(small.LeftLen(b.rows, a.D), small.LeftLen(b.rows, b.keys))
	b.turned = small.MulTLen(b.keys, a.D, b.rows)
	b.packed, b.scores = a.Scale, 1
	if a.fused(small) {
		b.packed, b.scores = 1, a.Scale // as in the forward pass: keys are rounded the same
	}
	b.group = a.group(10 * b.queries * b.keys * a.D)
	return b
}

// backwardWorker is the memory of one worker.
type backwardWorker struct {
	packer
	k, v, backK   []float32 // right operands of the products that give P, dS and dq
	left, turned  []float32
	scores, grads vec.Grid // [rows, keys]: P and dS
	softmax       vec.SoftmaxGrads
}

func (b *backward) divide(m *memory, workers int) []backwardWorker {
	small := b.products(0)
	size := small.GridLen(b.rows, b.keys)
	own := make([]backwardWorker, max(workers, 1))
	for i := range own {
		own[i] = backwardWorker{
			packer: packer{rows: m.take(scaledRows * b.D)},
			k:      m.take(b.packedK), v: m.take(b.packedV), backK: m.take(b.backK),
			left: m.take(b.left), turned: m.take(b.turned),
			scores: small.Grid(m.take(size), b.rows, b.keys), grads: small.Grid(m.take(size), b.rows, b.keys),
			softmax: vec.SoftmaxGrads{Scale: b.scores, Delta: m.take(b.rows), Whole: b.keyChunks == 1},
		}
	}
	return own
}

// gradients are the operands of a backward pass.
type gradients struct {
	AttentionArgs
	AttentionGrads
}

// Backward computes dq, dk and dv. With P the probabilities, made again from
// q, k and lse,
//
//	dv = Pᵀ·dy,  dS = P∘(dy·vᵀ - rowsum(dy∘y)),  dq = Scale·dS·k,  dk = Scale·dSᵀ·q
func (a Attention) Backward(x AttentionArgs, d AttentionGrads, scratch []float32, workers int) []par.Phase {
	if a.S == 1 {
		return a.backwardOne(d)
	}
	b := a.planBackward()
	own := b.divide(&memory{words: scratch}, workers)
	for i := range own {
		own[i].small = a.products(i)
	}
	g := &gradients{x, d}
	pairs, rounds := min(b.queryChunks, b.keyChunks), max(b.queryChunks, b.keyChunks)
	total := a.N * a.Heads * pairs
	var phases []par.Phase
	for round := range rounds {
		phases = append(phases, par.Phase{Name: "attention gradient", Tasks: ceilDiv(total, b.group), Run: func(task, worker int) {
			for i := task * b.group; i < min((task+1)*b.group, total); i++ {
				b.chunks(&own[worker], g, i/pairs, i%pairs, round)
			}
		}})
	}
	return phases
}

// chunks takes the pair'th pair of chunks of a round: of the kind with fewer
// chunks the pair'th, of the other the one that lies round chunks further on.
func (b *backward) chunks(w *backwardWorker, g *gradients, unit, pair, round int) {
	rounds := max(b.queryChunks, b.keyChunks)
	further := (pair + round) % rounds
	// A chunk of the other kind is met first by the pair of its own number, or
	// by the last pair.
	firstFew, firstMany := round == 0, pair == min(further, min(b.queryChunks, b.keyChunks)-1)
	few, many := chunk{at: pair, first: firstFew}, chunk{at: further, first: firstMany}
	if b.queryChunks >= b.keyChunks {
		b.add(w, g, unit, many, few)
	} else {
		b.add(w, g, unit, few, many)
	}
}

// chunk is one of queries or keys; first says that its gradients begin.
type chunk struct {
	at    int
	first bool
}

// add adds what a chunk of queries and one of keys give to each other's gradients, or
// begins these sums.
func (b *backward) add(w *backwardWorker, g *gradients, unit int, queries, keys chunk) {
	small := w.small
	s := keys.at * b.keys
	count := min(b.keys, b.S-s)
	n, h := unit/b.Heads, unit%b.Heads
	if h == 0 && b.manyPictures() {
		b.fetch(small, g, n)
	}
	atK := (n*b.S+s)*b.width() + h*b.D
	k, v := b.rowsOf(g.K, atK, count), b.rowsOf(g.V, atK, count)
	dk, dv := b.rowsOf(g.DK, atK, count), b.rowsOf(g.DV, atK, count)
	w.packScaled(w.k, b.packed, k)
	w.packScaled(w.v, b.packed, v)
	small.Right(w.backK, k)
	t := queries.at * b.queries
	for end := min(t+b.queries, b.T); t < end; t += b.rows {
		rows := min(b.rows, end-t)
		atQ := (n*b.T+t)*b.width() + h*b.D
		m := &meeting{
			q: b.rowsOf(g.Q, atQ, rows), dy: b.rowsOf(g.DY, atQ, rows), y: g.Y[atQ:], lse: g.LSE[unit*b.T+t:],
			mask: b.mask(t, s, count), scores: w.scores.Of(rows, count), grads: w.grads.Of(rows, count),
		}
		left := b.block(w, m)
		small.Mul(b.rowsOf(g.DQ, atQ, rows), left, w.backK, !queries.first)
		small.MulT(w.turned, dv, m.scores, m.dy, !keys.first)
		small.MulT(w.turned, dk, m.grads, m.q, !keys.first)
		keys.first = false
	}
}

// fetch brings a picture's operands into the second-level cache: in order, which is
// quicker than head by head.
func (b *backward) fetch(small *gemm.Small, g *gradients, n int) {
	for _, x := range [][]float32{g.K, g.V} {
		small.Fetch(rowsOf(x, b.width(), n*b.S, b.S))
	}
	for _, x := range [][]float32{g.Q, g.DY} {
		small.Fetch(rowsOf(x, b.width(), n*b.T, b.T))
	}
}

// meeting is a block of queries that meets the keys of a chunk.
type meeting struct {
	q, dy         vec.Matrix
	y, lse        []float32
	mask          vec.Mask
	scores, grads vec.Grid
}

// block makes P = exp(Scale·q·kᵀ - lse) and Scale·dS = Scale·P∘(dP - rowsum(P∘dP))
// with dP = dy·vᵀ; the latter as a left operand, too. The sum is that of dy∘y;
// but where all keys are here the first form makes the rows of dS sum to nothing
// whatever dP was rounded to.
func (b *backward) block(w *backwardWorker, m *meeting) gemm.Left {
	w.small.MulGrid(m.scores, w.small.Left(w.left, m.q), w.k, false)
	w.small.MulGrid(m.grads, w.small.Left(w.left, m.dy), w.v, false)
	if b.keyChunks > 1 {
		for r := range m.q.Rows {
			at := r * b.width()
			w.softmax.Delta[r] = b.packed * vec.Dot(m.dy.X[at:][:b.D], m.y[at:])
		}
	}
	return w.small.SoftmaxGrads(&w.softmax, w.left, m.scores, m.grads, m.mask, m.lse)
}
