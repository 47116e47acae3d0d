package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

const (
	feedForwardTasks = 8  // of a gradient, each with sums of its own
	sumBlock         = 64 // rows of a bias's gradient that are summed in float32
)

// FeedForwardGrads are the gradients of Backward. That of c is the sum of dy's rows.
type FeedForwardGrads struct{ X, W, B, V []float32 }

// feedForwardGrad is a worker's part of the gradient.
type feedForwardGrad struct {
	worker        int
	pre, inner, x *gemm.BlockProduct
	both          []float32 // values and gates of a block, and then the gradient to them
	half          []float32 // the gradient to GEGLU's result, and then that result
	scratch       []float32 // of products
	sum           []float32 // of 64 rows
	rows          vec.Rows
}

// feedForwardSums are what a task adds up.
type feedForwardSums struct {
	w, v []float32
	b    []float64
}

// feedForwardBackward is the plan of the gradient.
type feedForwardBackward struct {
	*FeedForward
	w, v  *gemm.GradSum
	own   []feedForwardGrad
	tasks []feedForwardSums
}

func (f *FeedForward) planBackward(m *memory, p FeedForwardParams, workers int) (b feedForwardBackward, pack []par.Phase) {
	n := f.blockRows()
	pre := gemm.MatMul{M: n, K: f.C, N: 2 * f.Inner, TransB: true} // x·Wᵀ
	inner := gemm.MatMul{M: n, K: f.D, N: f.Inner}                 // dy·V
	x := gemm.MatMul{M: n, K: 2 * f.Inner, N: f.C}                 // times W
	packedPre, packPre := f.pack(m, pre, p.W, workers)
	packedInner, packInner := f.pack(m, inner, p.V, workers)
	packedX, packX := f.pack(m, x, p.W, workers)
	b = feedForwardBackward{
		FeedForward: f,
		w:           gemm.NewGradSum(gemm.MatMul{M: 2 * f.Inner, N: f.C, K: f.Rows}, n, f.Precision, workers),
		v:           gemm.NewGradSum(gemm.MatMul{M: f.D, N: f.Inner, K: f.Rows}, n, f.Precision, workers),
		own:         make([]feedForwardGrad, max(workers, 1)),
		tasks:       make([]feedForwardSums, min(feedForwardTasks, f.Rows/n)),
	}
	for i := range b.own {
		a := &b.own[i]
		*a = feedForwardGrad{
			worker: i, pre: gemm.PlanBlock(pre, f.Precision), inner: gemm.PlanBlock(inner, f.Precision), x: gemm.PlanBlock(x, f.Precision),
			both: m.take(n * 2 * f.Inner), half: m.take(n * f.Inner), sum: m.take(2 * f.Inner),
		}
		a.scratch = m.take(max(a.pre.ScratchLen(), a.inner.ScratchLen(), a.x.ScratchLen(), b.w.ScratchLen(), b.v.ScratchLen()))
		if a.scratch != nil {
			a.pre.Bind(packedPre, p.B, a.scratch)
			a.inner.Bind(packedInner, nil, a.scratch)
			a.x.Bind(packedX, nil, a.scratch)
		}
	}
	for i := range b.tasks {
		b.tasks[i] = feedForwardSums{w: m.take(b.w.SumsLen()), v: m.take(b.v.SumsLen())}
		if m.words != nil {
			b.tasks[i].b = make([]float64, 2*f.Inner)
		}
	}
	return b, append(append(packPre, packInner...), packX...)
}

// Backward computes the gradients from x and dy. Of every block it makes the values and
// gates anew, and then
//
//	dV = dyᵀ·GEGLU, [dvalue, dgate] = GEGLU'(dy·V), dW = [dvalue, dgate]ᵀ·x, dx = [dvalue, dgate]·W
func (f *FeedForward) Backward(x, dy []float32, p FeedForwardParams, d FeedForwardGrads, scratch []float32, workers int) []par.Phase {
	b, phases := f.planBackward(&memory{words: scratch}, p, workers)
	n := f.blockRows()
	each := ceilDiv(f.Rows/n, len(b.tasks))
	phases = append(phases, par.Phase{Name: "feed forward gradient", Tasks: len(b.tasks), Run: func(task, worker int) {
		first := task * each * n
		for at := first; at < min(first+each*n, f.Rows); at += n {
			b.block(&b.own[worker], &b.tasks[task], rowsOf(x, f.C, at, n), rowsOf(dy, f.D, at, n), rowsOf(d.X, f.C, at, n), at > first)
		}
	}})
	var w, v [][]float32
	for _, t := range b.tasks {
		w, v = append(w, t.w), append(v, t.v)
	}
	return append(phases, b.w.Store("parameters", w, d.W), b.v.Store("parameters", v, d.V), par.Serial("parameters", func() { b.storeB(d.B) }))
}

// block computes a block of dx, and adds to a task's sums.
func (b *feedForwardBackward) block(w *feedForwardGrad, t *feedForwardSums, x, dy, dx []float32, add bool) {
	w.pre.Run(x, w.both, nil)
	w.inner.Run(dy, w.half, nil)
	for r := range len(x) / b.C {
		value, gate, half := w.both[r*2*b.Inner:][:b.Inner], w.both[(r*2+1)*b.Inner:][:b.Inner], w.half[r*b.Inner:][:b.Inner]
		vec.GEGLUBoth(value, gate, half)
	}
	b.v.Sum(t.v, dy, w.half, w.scratch, add, w.worker)
	b.w.Sum(t.w, w.both, x, w.scratch, add, w.worker)
	w.x.Run(w.both, dx, nil)
	if !add {
		clear(t.b)
	}
	for from := 0; from < len(w.both); from += sumBlock * 2 * b.Inner {
		clear(w.sum)
		w.rows.Sum(w.both[from:min(from+sumBlock*2*b.Inner, len(w.both))], w.sum)
		for i, v := range w.sum {
			t.b[i] += float64(v)
		}
	}
}

func (b *feedForwardBackward) storeB(db []float32) {
	for i := range db {
		var sum float64
		for _, t := range b.tasks {
			sum += t.b[i]
		}
		db[i] = float32(sum)
	}
}
