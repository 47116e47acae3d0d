package layer

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Attention is softmax(Scale·q·kᵀ)·v for each head.
//
//	q, y  [N, T, Heads·D]
//	k, v  [N, S, Heads·D]
//	lse   [N, Heads, T]: the logarithm of the sum of exponentials of a row
//
// Only a block of the scores exists at a time. With Causal, position t sees
// 0 … t alone.
type Attention struct {
	N, T, S, Heads, D int
	Scale             float32
	Causal            bool
}

// queryBlock and keyBlock are the numbers of queries and keys whose scores
// exist together.
const (
	queryBlock = 96
	keyBlock   = 256
)

// attentionScratch is the memory of one worker.
type attentionScratch struct {
	k, v, kBack   []float32 // packed operands
	scores, grads []float32 // [queryBlock, keyBlock], backward [queryBlock, S]
	flipped       []float32 // [S, queryBlock]
	q, dy         []float32 // packed blocks
	dk, dv        []float32 // [S, D]
	sum           []float32 // [queryBlock, D], not yet divided
	top, total    []float32 // of each query: largest score and sum of exponentials so far
}

// ScratchLen is the number of words of scratch memory that so many workers need.
func (a Attention) ScratchLen(workers int, backward bool) int {
	var s attentionScratch
	return max(workers, 1) * a.divide(&s, nil, backward)
}

// scratch gives every worker its share of the memory.
func (a Attention) scratch(memory []float32, workers int, backward bool) []attentionScratch {
	all := make([]attentionScratch, max(workers, 1))
	size := a.ScratchLen(1, backward)
	for i := range all {
		a.divide(&all[i], memory[i*size:][:size], backward)
	}
	return all
}

// divide cuts memory into the arrays of one worker and returns the words they
// take; without memory it only counts.
func (a Attention) divide(s *attentionScratch, memory []float32, backward bool) int {
	used := 0
	take := func(array *[]float32, n int) {
		if memory != nil {
			*array = memory[used:][:n:n]
		}
		used += (n + 15) / 16 * 16
	}
	block := min(queryBlock, a.T)
	take(&s.k, gemm.SmallPanels(a.S, a.D))
	if !backward {
		blocks := (a.S + keyBlock - 1) / keyBlock
		take(&s.v, blocks*gemm.SmallPanels(a.D, keyBlock))
		take(&s.scores, block*min(keyBlock, a.S))
		take(&s.sum, block*a.D)
		take(&s.top, block)
		take(&s.total, block)
		return used
	}
	take(&s.v, gemm.SmallPanels(a.S, a.D))
	take(&s.scores, block*a.S)
	take(&s.kBack, gemm.SmallPanels(a.D, a.S))
	take(&s.grads, block*a.S)
	take(&s.flipped, block*a.S)
	take(&s.q, gemm.SmallPanels(a.D, block))
	take(&s.dy, gemm.SmallPanels(a.D, block))
	take(&s.dk, a.S*a.D)
	take(&s.dv, a.S*a.D)
	return used
}

// Forward computes y and lse, block by block: with m the largest score so far
// and l the sum of exponentials, a block of keys makes of a query's sum
//
//	y ← y·exp(m-m') + Σ exp(s-m')·v,  l ← l·exp(m-m') + Σ exp(s-m')
//
// (Rabe and Staats, arXiv 2112.05682; Dao et al., arXiv 2205.14135).
func (a Attention) Forward(q, k, v, y, lse, memory []float32, workers int) []par.Phase {
	own := a.scratch(memory, workers, false)
	width := a.Heads * a.D
	return []par.Phase{{Name: "attention", Tasks: a.N * a.Heads, Run: func(task, worker int) {
		s := &own[worker]
		n, h := task/a.Heads, task%a.Heads
		keys := n*a.S*width + h*a.D
		gemm.PackSmall(s.k, true, a.S, a.D, a.Scale, k[keys:], width)
		for from := 0; from < a.S; from += keyBlock {
			gemm.PackSmall(a.values(s, from), false, a.D, min(keyBlock, a.S-from), 1, v[keys+from*width:], width)
		}
		for t := 0; t < a.T; t += queryBlock {
			rows := min(queryBlock, a.T-t)
			at := (n*a.T+t)*width + h*a.D
			for from := 0; from < a.S; from += keyBlock {
				if a.Causal && from > t+rows-1 {
					break
				}
				a.block(s, q[at:], rows, t, from)
			}
			for r := range rows {
				vec.Affine(y[at+r*width:][:a.D], s.sum[r*a.D:][:a.D], 1/s.total[r], 0)
				lse[task*a.T+t+r] = s.top[r] + float32(math.Log(float64(s.total[r])))
			}
		}
	}}}
}

// values is the packed block of v that begins at a key.
func (a Attention) values(s *attentionScratch, from int) []float32 {
	size := gemm.SmallPanels(a.D, keyBlock)
	return s.v[from/keyBlock*size:][:size]
}

// block adds the keys of one block to the sums of rows queries from t on.
func (a Attention) block(s *attentionScratch, q []float32, rows, t, from int) {
	count := min(keyBlock, a.S-from)
	gemm.MulSmall(rows, count, a.D, q, a.Heads*a.D, s.k[from*a.D:], false, s.scores, count)
	for r := range rows {
		row := s.scores[r*count:][:count]
		seen := count
		if a.Causal {
			seen = min(max(t+r+1-from, 0), count)
			clear(row[seen:])
		}
		sum := s.sum[r*a.D:][:a.D]
		if from == 0 {
			s.top[r], s.total[r] = float32(math.Inf(-1)), 0
			clear(sum)
		}
		if seen == 0 {
			continue
		}
		if top := vec.Max(row[:seen]); top > s.top[r] {
			if from > 0 {
				shrink := float32(math.Exp(float64(s.top[r] - top)))
				vec.Affine(sum, sum, shrink, 0)
				s.total[r] *= shrink
			}
			s.top[r] = top
		}
		s.total[r] += vec.ExpSum(row[:seen], row[:seen], s.top[r])
	}
	gemm.MulSmall(rows, a.D, count, s.scores, count, a.values(s, from), true, s.sum, a.D)
}

// Backward computes dq, dk and dv. With P the probabilities, made again from
// q, k and lse,
//
//	dv = Pᵀ·dy,  dS = P∘(dy·vᵀ - rowsum(dy∘y)),  dq = Scale·dS·k,  dk = Scale·dSᵀ·q
func (a Attention) Backward(q, k, v, y, lse, dy, dq, dk, dv, memory []float32, workers int) []par.Phase {
	own := a.scratch(memory, workers, true)
	width := a.Heads * a.D
	return []par.Phase{{Name: "attention gradient", Tasks: a.N * a.Heads, Run: func(task, worker int) {
		s := &own[worker]
		n, h := task/a.Heads, task%a.Heads
		keys := n*a.S*width + h*a.D
		gemm.PackSmall(s.k, true, a.S, a.D, a.Scale, k[keys:], width)
		gemm.PackSmall(s.v, true, a.S, a.D, 1, v[keys:], width)
		gemm.PackSmall(s.kBack, false, a.D, a.S, a.Scale, k[keys:], width)
		for t := 0; t < a.T; t += queryBlock {
			rows := min(queryBlock, a.T-t)
			at := (n*a.T+t)*width + h*a.D
			a.probabilities(s, q[at:], lse[task*a.T+t:], rows, t)

			gemm.PackSmall(s.dy, false, a.D, rows, 1, dy[at:], width)
			gemm.Transpose(s.flipped, rows, s.scores, a.S, rows, a.S)
			gemm.MulSmall(a.S, a.D, rows, s.flipped, rows, s.dy, t > 0, s.dv, a.D)

			gemm.MulSmall(rows, a.S, a.D, dy[at:], width, s.v, false, s.grads, a.S)
			for r := range rows {
				delta := dot(dy[at+r*width:][:a.D], y[at+r*width:][:a.D])
				row := s.grads[r*a.S:][:a.S]
				vec.Affine(row, row, 1, -delta)
				vec.Mul(row, row, s.scores[r*a.S:][:a.S])
			}
			gemm.MulSmall(rows, a.D, a.S, s.grads, a.S, s.kBack, false, dq[at:], width)
			gemm.PackSmall(s.q, false, a.D, rows, a.Scale, q[at:], width)
			gemm.Transpose(s.flipped, rows, s.grads, a.S, rows, a.S)
			gemm.MulSmall(a.S, a.D, rows, s.flipped, rows, s.q, t > 0, s.dk, a.D)
		}
		for j := range a.S {
			copy(dk[keys+j*width:][:a.D], s.dk[j*a.D:])
			copy(dv[keys+j*width:][:a.D], s.dv[j*a.D:])
		}
	}}}
}

// probabilities fills scores with exp(Scale·q·kᵀ - lse).
func (a Attention) probabilities(s *attentionScratch, q, lse []float32, rows, t int) {
	gemm.MulSmall(rows, a.S, a.D, q, a.Heads*a.D, s.k, false, s.scores, a.S)
	for r := range rows {
		row := s.scores[r*a.S:][:a.S]
		seen := a.S
		if a.Causal {
			seen = min(t+r+1, seen)
			clear(row[seen:])
		}
		vec.ExpSum(row[:seen], row[:seen], lse[r])
	}
}

func dot(a, b []float32) float32 {
	var s float32
	for i, v := range a {
		s += v * b[i]
	}
	return s
}
