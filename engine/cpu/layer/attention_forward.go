package layer

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// forward is a plan of the forward pass. A head here is one head of one picture.
//
// A head of several blocks of queries has a task for each of them; the keys and
// values that they share are packed in a phase before, a round of some heads at a
// time so that they stay in the caches. A head of one block, and small heads of many
// pictures, are packed and computed in one task, with others: see Attention.taskHeads.
type forward struct {
	Attention
	queries, keys          int // of a block
	queryBlocks, keyBlocks int
	packedK, packedV       int  // words of a block of keys
	round                  int  // heads that are packed together
	alone                  bool // tasks pack for themselves
	taskHeads              int  // heads of such a task
	leftQ, leftP           int  // words of left operands
	fused                  bool
}

const (
	// roundWords bounds the packed operands of a round, unless those of one head
	// are more or it has less than roundTasks tasks for a worker.
	roundWords = 1 << 18
	roundTasks = 8
)

func (a *Attention) planForward(workers int) *forward {
	small := a.products(0)
	f := &forward{Attention: *a, fused: a.fused(small)}
	f.queries = even(a.T, queryBlock/small.Rows()*small.Rows(), small.Rows())
	f.keys = even(a.S, keyBlock, 32)
	if f.fused {
		f.keys = even(a.S, small.AttendKeys(), 32)
	}
	f.queryBlocks, f.keyBlocks = ceilDiv(a.T, f.queries), ceilDiv(a.S, f.keys)
	f.packedK, f.packedV = small.RightLen(f.keys, a.D), small.RightLen(a.D, f.keys)
	if f.fused {
		f.packedK, f.packedV = small.KeysLen(a.D, f.keys), small.ValuesLen(a.D, f.keys)
	}
	f.leftQ, f.leftP = small.LeftLen(f.queries, a.D), small.LeftLen(f.queries, f.keys)
	f.round = min(max(roundWords/f.headWords(), ceilDiv(roundTasks*workers, f.queryBlocks)), a.N*a.Heads)
	f.taskHeads = a.taskHeads(4 * a.T * a.S * a.D)
	f.alone = f.queryBlocks == 1 || a.manyPictures()
	return f
}

// headWords is the length of the packed keys and values of a head.
func (f *forward) headWords() int { return f.keyBlocks * (f.packedK + f.packedV) }

// forwardWorker is the memory of one worker.
type forwardWorker struct {
	packer
	packed  []float32 // keys and values of a head
	q, p    []float32 // left operands
	scores  vec.Grid  // [queries, keys]
	sum     vec.Grid  // [queries, D], not yet divided
	softmax vec.Softmax
	fused   []gemm.Queries // instead of q, p, scores and sum
}

// divide cuts the memory of the workers and of the operands they share.
func (f *forward) divide(m *memory, workers int) (own []forwardWorker, shared []float32) {
	small := f.products(0)
	own = make([]forwardWorker, max(workers, 1))
	for i := range own {
		w := &own[i]
		if f.alone {
			w.packed = m.take(f.headWords())
		}
		w.rows = m.take(scaledRows * f.D)
		if f.fused {
			w.fused = f.divideFused(m, small)
		} else {
			w.q, w.p = m.take(f.leftQ), m.take(f.leftP)
			w.scores = small.Grid(m.take(small.GridLen(f.queries, f.keys)), f.queries, f.keys)
			w.sum = small.Grid(m.take(small.GridLen(f.queries, f.D)), f.queries, f.D)
		}
		w.softmax = vec.Softmax{Top: m.take(f.queries), Total: m.take(f.queries), Shrink: m.take(f.queries)}
	}
	if !f.alone {
		shared = m.take(f.round * f.headWords())
	}
	return own, shared
}

// Forward computes y, which may lie where q does, and lse, block by block: with m the
// largest score so far and l the sum of exponentials, a block of keys makes of a query's sum
//
//	y ← y·exp(m-m') + Σ exp(s-m')·v,  l ← l·exp(m-m') + Σ exp(s-m')
//
// (Rabe and Staats, arXiv 2112.05682; Dao et al., arXiv 2205.14135).
func (a Attention) Forward(x AttentionArgs, scratch []float32, workers int) []par.Phase {
	if a.S == 1 {
		return a.forwardOne(x)
	}
	f := a.planForward(workers)
	own, shared := f.divide(&memory{words: scratch}, workers)
	for i := range own {
		own[i].small = a.products(i)
	}
	heads := a.N * a.Heads
	if f.alone {
		return []par.Phase{{Name: "attention", Tasks: ceilDiv(heads, f.taskHeads), Run: func(task, worker int) {
			w := &own[worker]
			for head := task * f.taskHeads; head < min((task+1)*f.taskHeads, heads); head++ {
				for block := range f.keyBlocks {
					f.pack(w, &x, w.packed, head, block)
				}
				for block := range f.queryBlocks {
					f.attend(w, &x, w.packed, head, block)
				}
			}
		}}}
	}
	var phases []par.Phase
	for first := 0; first < heads; first += f.round {
		count := min(f.round, heads-first)
		packed := func(head int) []float32 { return shared[(head-first)*f.headWords():][:f.headWords()] }
		phases = append(phases,
			par.Phase{Name: "attention keys", Tasks: count * f.keyBlocks, Run: func(task, worker int) {
				head, block := first+task/f.keyBlocks, task%f.keyBlocks
				f.pack(&own[worker], &x, packed(head), head, block)
			}},
			par.Phase{Name: "attention", Tasks: count * f.queryBlocks, Run: func(task, worker int) {
				head, block := first+task/f.queryBlocks, task%f.queryBlocks
				f.attend(&own[worker], &x, packed(head), head, block)
			}})
	}
	return phases
}

// block views the packed keys and values of a block of a head's keys.
func (f *forward) block(packed []float32, block int) (k, v []float32) {
	size := f.packedK + f.packedV
	both := packed[block*size:][:size]
	return both[:f.packedK], both[f.packedK:]
}

// pack packs a block of a head's keys and values.
func (f *forward) pack(w *forwardWorker, x *AttentionArgs, packed []float32, head, block int) {
	from := block * f.keys
	count := min(f.keys, f.S-from)
	at := (head/f.Heads*f.S+from)*f.width() + head%f.Heads*f.D
	k, v := f.rowsOf(x.K, at, count), f.rowsOf(x.V, at, count)
	packedK, packedV := f.block(packed, block)
	if f.fused {
		w.small.Keys(packedK, k)
		w.small.Values(packedV, v)
		return
	}
	w.packScaled(packedK, f.Scale, k)
	w.small.Right(packedV, v)
}

// attend computes a block of a head's queries.
func (f *forward) attend(w *forwardWorker, x *AttentionArgs, packed []float32, head, block int) {
	t := block * f.queries
	rows := min(f.queries, f.T-t)
	at := (head/f.Heads*f.T+t)*f.width() + head%f.Heads*f.D
	q, lse := f.rowsOf(x.Q, at, rows), x.LSE[head*f.T+t:]
	if f.fused {
		f.attendFused(w, packed, q, x.Y[at:], lse)
		return
	}
	left := w.small.Left(w.q, q)
	w.softmax.Begin(rows)
	for b := range f.keyBlocks {
		from := b * f.keys
		if f.Causal && from > t+rows-1 {
			break
		}
		count := min(f.keys, f.S-from)
		packedK, packedV := f.block(packed, b)
		scores, sum := w.scores.Of(rows, count), w.sum.Of(rows, f.D)
		w.small.MulGrid(scores, left, packedK, false)
		p, grown := w.small.Softmax(&w.softmax, w.p, scores, f.mask(t, from, count))
		if grown && b > 0 {
			w.softmax.Rescale(sum)
		}
		w.small.MulGrid(sum, p, packedV, b > 0)
	}
	w.softmax.Finish(x.Y[at:], f.width(), w.sum.Of(rows, f.D))
	for r := range rows {
		lse[r] = w.softmax.Top[r] + logarithm(w.softmax.Total[r])
	}
}

// logarithm is that of a sum x of exponentials that are at most 1, one of them
// 1, with an error below 1.2e-7 of max(result, 1): math.Log takes a sixth of the
// time of an attention to few keys.
func logarithm(x float32) float32 {
	if x != x {
		return x
	}
	const half = 0x3f3504f3 // the square root of 1/2: x is m·2^e, m from there to its double
	bits := math.Float32bits(x)
	e := int32(bits-half) >> 23
	m := math.Float32frombits(bits - uint32(e)<<23)
	s := (m - 1) / (m + 1) // the logarithm of m is 2·artanh(s)
	z := s * s
	return float32(e)*math.Ln2 + 2*s*(1+z*(1./3+z*(1./5+z*(1./7+z/9))))
}
