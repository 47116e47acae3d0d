package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// FeedForward is y = GEGLU(x·Wᵀ + b)·Vᵀ + c, the feed-forward of a transformer block
// (Shazeer, arXiv 2002.05202), for x [Rows, C], W [2·Inner, C] and V [D, Inner].
//
// A worker takes a block of the rows through both products, and in the gradient
// through all five. The Inner numbers of a row, four times as many as C, are then
// written and read in its caches, and there is no memory for those of all rows: the
// gradient makes them anew.
type FeedForward struct {
	Rows, C, Inner, D int
	Precision         gemm.Precision
}

// FeedForwardParams are W, b, V and c.
type FeedForwardParams struct{ W, B, V, Out []float32 }

const (
	mostRows    = 128 // of a block
	leastRows   = 64
	rowsStep    = 32
	weightBytes = 5 << 19 // of all weights, which every block reads
)

// blockRows is the rows of a block, 0 if none fits.
func (f *FeedForward) blockRows() int {
	if 4*f.Inner*(2*f.C+f.D) > weightBytes {
		return 0
	}
	n := mostRows
	for n >= leastRows && f.Rows%n != 0 {
		n -= rowsStep
	}
	if n < leastRows {
		return 0
	}
	return n
}

// Serves tells whether blocks are worth while: where tiles make the products, and all
// weights find room beside a block.
func (f *FeedForward) Serves() bool {
	gated, out := f.gated(f.blockRows()), f.out(f.blockRows())
	return f.blockRows() > 0 && gated.Tiled(f.Precision) && out.Tiled(f.Precision)
}

// gated and out are the products of so many rows.
func (f *FeedForward) gated(rows int) gemm.MatMul {
	return gemm.MatMul{M: rows, K: f.C, N: 2 * f.Inner, TransB: true, GEGLU: true}
}

func (f *FeedForward) out(rows int) gemm.MatMul {
	return gemm.MatMul{M: rows, K: f.Inner, N: f.D, TransB: true}
}

// Flops and GradFlops count those of the passes.
func (f *FeedForward) Flops() int64 { return 2 * int64(f.Rows) * int64(f.Inner) * int64(2*f.C+f.D) }
func (f *FeedForward) GradFlops() int64 {
	return 2*f.Flops() + 2*int64(f.Rows)*int64(f.Inner)*int64(2*f.C)
}

// pack packs the weights of a product of blocks.
func (f *FeedForward) pack(m *memory, s gemm.MatMul, raw []float32, workers int) (packed []float32, phases []par.Phase) {
	plan := gemm.PlanMatMul(s, f.Precision, workers)
	packed = m.take(plan.PackedLen)
	scratch := m.take(plan.PackScratch(tensor.F32, tensor.F32))
	if packed != nil {
		phases = plan.Pack(gemm.Weights{F32: packed}, gemm.Weights{F32: raw}, scratch)
	}
	return packed, phases
}

// ScratchLen is the memory for Forward or Backward, in float32 words.
func (f *FeedForward) ScratchLen(workers int, backward bool) int {
	var m memory
	if backward {
		f.planBackward(&m, FeedForwardParams{}, workers)
	} else {
		f.planForward(&m, FeedForwardParams{}, workers)
	}
	return m.used
}

// feedForward is a worker's part of the forward pass.
type feedForward struct {
	gated, out *gemm.BlockProduct
	inner      []float32 // GEGLU of a block
}

func (f *FeedForward) planForward(m *memory, p FeedForwardParams, workers int) (own []feedForward, pack []par.Phase) {
	n := f.blockRows()
	w, packW := f.pack(m, f.gated(n), p.W, workers)
	v, packV := f.pack(m, f.out(n), p.V, workers)
	own = make([]feedForward, max(workers, 1))
	for i := range own {
		a := &own[i]
		*a = feedForward{gemm.PlanBlock(f.gated(n), f.Precision), gemm.PlanBlock(f.out(n), f.Precision), m.take(n * f.Inner)}
		if scratch := m.take(max(a.gated.ScratchLen(), a.out.ScratchLen())); scratch != nil {
			a.gated.Bind(w, p.B, scratch)
			a.out.Bind(v, p.Out, scratch)
		}
	}
	return own, append(packW, packV...)
}

// Forward computes y, and adds add [Rows, D] to it if that is not nil.
func (f *FeedForward) Forward(x []float32, p FeedForwardParams, add, y, scratch []float32, workers int) []par.Phase {
	own, phases := f.planForward(&memory{words: scratch}, p, workers)
	n := f.blockRows()
	return append(phases, par.Phase{Name: "feed forward", Tasks: f.Rows / n, Run: func(task, worker int) {
		w := &own[worker]
		w.gated.Run(rowsOf(x, f.C, task*n, n), w.inner, nil)
		w.out.Run(w.inner, rowsOf(y, f.D, task*n, n), rowsOf(add, f.D, task*n, n))
	}})
}

// rowsOf are n rows of x [rows, c], nil if x is.
func rowsOf(x []float32, c, first, n int) []float32 {
	if x == nil {
		return nil
	}
	return x[first*c : (first+n)*c]
}
