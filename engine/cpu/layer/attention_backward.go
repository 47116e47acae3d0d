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
	small         *gemm.Small
	rows          []float32 // [scaledRows, D]
	k, v, backK   []float32 // right operands of the products that give P, dS and dq
	left, turned  []float32
	scores, grads vec.Grid // [rows, keys]: P and dS
	softmax       vec.SoftmaxGrads
	scaling       vec.Scaling
}

func (b *backward) divide(m *memory, workers int) []backwardWorker {
	small := b.products(0)
	size := small.GridLen(b.rows, b.keys)
	own := make([]backwardWorker, max(workers, 1))
	for i := range own {
		own[i] = backwardWorker{
			rows: m.take(scaledRows * b.D),
			k:    m.take(b.packedK), v: m.take(b.packedV), backK: m.take(b.backK),
			left: m.take(b.left), turned: m.take(b.turned),
			scores: small.Grid(m.take(size), b.rows, b.keys), grads: small.Grid(m.take(size), b.rows, b.keys),
			softmax: vec.SoftmaxGrads{Scale: b.scores, Delta: m.take(b.rows)},
		}
	}
	return own
}

// gradients are the operands of a backward pass.
type gradients struct{ q, k, v, y, lse, dy, dq, dk, dv []float32 }

// Backward computes dq, dk and dv. With P the probabilities, made again from
// q, k and lse,
//
//	dv = Pᵀ·dy,  dS = P∘(dy·vᵀ - rowsum(dy∘y)),  dq = Scale·dS·k,  dk = Scale·dSᵀ·q
func (a Attention) Backward(q, k, v, y, lse, dy, dq, dk, dv, scratch []float32, workers int) []par.Phase {
	if a.S == 1 {
		return a.backwardOne(dy, dq, dk, dv)
	}
	b := a.planBackward()
	own := b.divide(&memory{words: scratch}, workers)
	for i := range own {
		own[i].small = a.products(i)
	}
	g := &gradients{q, k, v, y, lse, dy, dq, dk, dv}
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
	if b.queryChunks >= b.keyChunks {
		b.add(w, g, unit, further*b.queries, pair*b.keys, firstMany, firstFew)
	} else {
		b.add(w, g, unit, pair*b.queries, further*b.keys, firstFew, firstMany)
	}
}

// add adds what the queries from t on and the keys from s on give to each other's
// gradients, or begins these sums.
func (b *backward) add(w *backwardWorker, g *gradients, unit, t, s int, firstQ, firstK bool) {
	small, width := w.small, b.width()
	keys := min(b.keys, b.S-s)
	n, h := unit/b.Heads, unit%b.Heads
	if h == 0 && b.manyPictures() {
		b.fetch(small, g, n)
	}
	atK := (n*b.S+s)*width + h*b.D
	packScaled(small, &w.scaling, w.k, w.rows, b.packed, keys, b.D, g.k[atK:], width)
	packScaled(small, &w.scaling, w.v, w.rows, b.packed, keys, b.D, g.v[atK:], width)
	small.Right(w.backK, false, b.D, keys, g.k[atK:], width)
	for end := min(t+b.queries, b.T); t < end; t += b.rows {
		rows := min(b.rows, end-t)
		atQ := (n*b.T+t)*width + h*b.D
		left := b.block(w, g, unit, t, s, rows, keys, atQ)
		small.Mul(rows, b.D, keys, left, w.backK, !firstQ, g.dq[atQ:], width)
		small.MulT(w.turned, keys, b.D, rows, w.scores, g.dy[atQ:], width, !firstK, g.dv[atK:], width)
		small.MulT(w.turned, keys, b.D, rows, w.grads, g.q[atQ:], width, !firstK, g.dk[atK:], width)
		firstK = false
	}
}

// fetch brings a picture's operands into the second-level cache: in order, which is
// quicker than head by head.
func (b *backward) fetch(small *gemm.Small, g *gradients, n int) {
	for _, x := range [][]float32{g.k, g.v} {
		small.Fetch(rowsOf(x, b.width(), n*b.S, b.S))
	}
	for _, x := range [][]float32{g.q, g.dy} {
		small.Fetch(rowsOf(x, b.width(), n*b.T, b.T))
	}
}

// block makes P = exp(Scale·q·kᵀ - lse) and Scale·dS = Scale·P∘(dP - rowsum(P∘dP))
// with dP = dy·vᵀ; the latter as a left operand, too. The sum is that of dy∘y;
// but where all keys are here the first form makes the rows of dS sum to nothing
// whatever dP was rounded to.
func (b *backward) block(w *backwardWorker, g *gradients, unit, t, s, rows, keys, atQ int) gemm.Left {
	width := b.width()
	left := w.small.Left(w.left, rows, b.D, g.q[atQ:], width)
	w.small.MulGrid(rows, keys, b.D, left, w.k, false, w.scores)
	left = w.small.Left(w.left, rows, b.D, g.dy[atQ:], width)
	w.small.MulGrid(rows, keys, b.D, left, w.v, false, w.grads)
	if b.keyChunks > 1 {
		for r := range rows {
			at := atQ + r*width
			w.softmax.Delta[r] = b.packed * vec.Dot(g.dy[at:][:b.D], g.y[at:])
		}
	}
	seen := keys
	if b.Causal {
		seen = t + 1 - s
	}
	return w.small.SoftmaxGrads(&w.softmax, w.left, w.scores, w.grads, rows, keys, seen, b.Causal, b.keyChunks == 1, g.lse[unit*b.T+t:])
}
