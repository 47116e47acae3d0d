package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// backward is a plan of the backward pass. The queries and the keys of a head of a picture
// are cut into blocks. A task takes one block of each and adds what they give to dq, dk and
// dv; in every phase each block is in one task at most, so that the sums have one order and
// need no memory of their own.
type backward struct {
	Attention
	queries, keys           int // of a block
	queryBlocks, keyBlocks  int
	rows                    int     // queries whose scores exist together
	taskHeads               int     // heads of a task
	packedK, packedV, backK int     // words of right operands
	left, turned            int     // words of left operands and of transposed products
	packed, scores          float32 // the scale, as a factor of the operands and of the scores
}

// gradQueryBlock is the most queries of a block; packing the keys for fewer would
// cost too much.
const (
	gradQueryBlock = 288
	gradRows       = 96
)

func (a *Attention) planBackward() *backward {
	small := a.products(0)
	rows := small.Rows() // that are computed together
	b := &backward{Attention: *a, queries: even(a.T, gradQueryBlock, rows), keys: even(a.S, keyBlock, 32)}
	b.queryBlocks, b.keyBlocks = ceilDiv(a.T, b.queries), ceilDiv(a.S, b.keys)
	b.rows = even(b.queries, gradRows, rows)
	b.packedK, b.packedV = small.RightLen(b.keys, a.D), small.RightLen(b.keys, a.D)
	b.backK = small.RightLen(a.D, b.keys)
	b.left = max(small.LeftLen(b.rows, a.D), small.LeftLen(b.rows, b.keys))
	b.turned = small.MulTLen(b.keys, a.D, b.rows)
	b.packed, b.scores = a.Scale, 1
	if a.fused(small) {
		b.packed, b.scores = 1, a.Scale // as in the forward pass: keys are rounded the same
	}
	b.taskHeads = a.taskHeads(10 * b.queries * b.keys * a.D)
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
			softmax: vec.SoftmaxGrads{Scale: b.scores, Delta: m.take(b.rows), Whole: b.keyBlocks == 1},
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
	pairs, rounds := min(b.queryBlocks, b.keyBlocks), max(b.queryBlocks, b.keyBlocks)
	total := a.N * a.Heads * pairs
	var phases []par.Phase
	for round := range rounds {
		phases = append(phases, par.Phase{Name: "attention gradient", Tasks: ceilDiv(total, b.taskHeads), Run: func(task, worker int) {
			for i := task * b.taskHeads; i < min((task+1)*b.taskHeads, total); i++ {
				b.addPair(&own[worker], g, i/pairs, i%pairs, round)
			}
		}})
	}
	return phases
}

// addPair takes the pair'th pair of blocks of a round: of the kind with fewer blocks the
// pair'th, of the other the one that lies round blocks further on.
func (b *backward) addPair(w *backwardWorker, g *gradients, head, pair, round int) {
	rounds := max(b.queryBlocks, b.keyBlocks)
	further := (pair + round) % rounds
	// A block of the other kind is met first by the pair of its own number, or
	// by the last pair.
	firstFew, firstMany := round == 0, pair == min(further, min(b.queryBlocks, b.keyBlocks)-1)
	few, many := gradBlock{at: pair, first: firstFew}, gradBlock{at: further, first: firstMany}
	if b.queryBlocks >= b.keyBlocks {
		b.add(w, g, head, many, few)
	} else {
		b.add(w, g, head, few, many)
	}
}

// gradBlock is a block of queries or of keys; first says that its gradients begin.
type gradBlock struct {
	at    int
	first bool
}

// add adds what a block of queries and one of keys give to each other's gradients, or
// begins these sums.
func (b *backward) add(w *backwardWorker, g *gradients, head int, queries, keys gradBlock) {
	small := w.small
	s := keys.at * b.keys
	count := min(b.keys, b.S-s)
	n, h := head/b.Heads, head%b.Heads
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
		m := &scoreBlock{
			q: b.rowsOf(g.Q, atQ, rows), dy: b.rowsOf(g.DY, atQ, rows), y: g.Y[atQ:], lse: g.LSE[head*b.T+t:],
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

// scoreBlock are some queries of a block against the keys of another, and their scores.
type scoreBlock struct {
	q, dy         vec.Matrix
	y, lse        []float32
	mask          vec.Mask
	scores, grads vec.Grid
}

// block makes P = exp(Scale·q·kᵀ - lse) and Scale·dS = Scale·P∘(dP - rowsum(P∘dP))
// with dP = dy·vᵀ; the latter as a left operand, too. The sum is that of dy∘y;
// but where all keys are here the first form makes the rows of dS sum to nothing
// whatever dP was rounded to.
func (b *backward) block(w *backwardWorker, m *scoreBlock) gemm.Left {
	w.small.MulGrid(m.scores, w.small.Left(w.left, m.q), w.k, false)
	w.small.MulGrid(m.grads, w.small.Left(w.left, m.dy), w.v, false)
	if b.keyBlocks > 1 {
		for r := range m.q.Rows {
			at := r * b.width()
			w.softmax.Delta[r] = b.packed * vec.Dot(m.dy.X[at:][:b.D], m.y[at:])
		}
	}
	return w.small.SoftmaxGrads(&w.softmax, w.left, m.scores, m.grads, m.mask, m.lse)
}
