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
// Queries are taken in blocks, so that only a strip of the scores exists at a
// time. With Causal, position t sees 0 … t alone.
type Attention struct {
	N, T, S, Heads, D int
	Scale             float32
	Causal            bool
}

// queryBlock is the number of queries whose scores exist together.
const queryBlock = 64

// attentionScratch is the memory of one worker.
type attentionScratch struct {
	k, v, kBack   []float32 // packed operands
	scores, grads []float32 // [queryBlock, S]
	flipped       []float32 // [S, queryBlock]
	q, dy         []float32 // packed blocks
	dk, dv        []float32 // [S, D]
}

func (a Attention) scratch(workers int, backward bool) []attentionScratch {
	all := make([]attentionScratch, max(workers, 1))
	block := min(queryBlock, a.T)
	for i := range all {
		s := &all[i]
		s.k = make([]float32, gemm.SmallPanels(a.S, a.D))
		s.v = make([]float32, max(gemm.SmallPanels(a.D, a.S), gemm.SmallPanels(a.S, a.D)))
		s.scores = make([]float32, block*a.S)
		if backward {
			s.kBack = make([]float32, gemm.SmallPanels(a.D, a.S))
			s.grads = make([]float32, block*a.S)
			s.flipped = make([]float32, block*a.S)
			s.q, s.dy = make([]float32, gemm.SmallPanels(a.D, block)), make([]float32, gemm.SmallPanels(a.D, block))
			s.dk, s.dv = make([]float32, a.S*a.D), make([]float32, a.S*a.D)
		}
	}
	return all
}

// Forward computes y and lse.
func (a Attention) Forward(q, k, v, y, lse []float32, workers int) []par.Phase {
	own := a.scratch(workers, false)
	width := a.Heads * a.D
	return []par.Phase{{Name: "attention", Tasks: a.N * a.Heads, Run: func(task, worker int) {
		s := &own[worker]
		n, h := task/a.Heads, task%a.Heads
		keys := n*a.S*width + h*a.D
		gemm.PackSmall(s.k, true, a.S, a.D, a.Scale, k[keys:], width)
		gemm.PackSmall(s.v, false, a.D, a.S, 1, v[keys:], width)
		for t := 0; t < a.T; t += queryBlock {
			rows := min(queryBlock, a.T-t)
			at := (n*a.T+t)*width + h*a.D
			gemm.MulSmall(rows, a.S, a.D, q[at:], width, s.k, false, s.scores, a.S)
			for r := range rows {
				a.softmax(s.scores[r*a.S:][:a.S], t+r, &lse[task*a.T+t+r])
			}
			gemm.MulSmall(rows, a.D, a.S, s.scores, a.S, s.v, false, y[at:], width)
		}
	}}}
}

// softmax turns the scores of query t into probabilities.
func (a Attention) softmax(row []float32, t int, lse *float32) {
	seen := len(row)
	if a.Causal {
		seen = min(t+1, seen)
		clear(row[seen:])
	}
	row = row[:seen]
	top := row[0]
	for _, v := range row {
		top = max(top, v)
	}
	sum := vec.ExpSum(row, row, top)
	vec.Affine(row, row, 1/sum, 0)
	*lse = top + float32(math.Log(float64(sum)))
}

// Backward computes dq, dk and dv. With P the probabilities, made again from
// q, k and lse,
//
//	dv = Pᵀ·dy,  dS = P∘(dy·vᵀ - rowsum(dy∘y)),  dq = Scale·dS·k,  dk = Scale·dSᵀ·q
func (a Attention) Backward(q, k, v, y, lse, dy, dq, dk, dv []float32, workers int) []par.Phase {
	own := a.scratch(workers, true)
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
