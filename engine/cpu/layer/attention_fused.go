package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// fusedQueries is the number of queries that one call of gemm.Small's Attend takes.
const fusedQueries = 32

// cachedWords bounds the keys and values that all queries of a task meet before the
// next ones: they stay in the second-level cache.
const cachedWords = 1 << 18

// fused tells whether the forward pass is that of Attend.
func (a *Attention) fused(small *gemm.Small) bool {
	return !a.Causal && a.Scale > 0 && small.Attends(a.D)
}

// divideFused takes the memory of a task's queries.
func (f *forward) divideFused(m *memory, small *gemm.Small) []gemm.Queries {
	all := make([]gemm.Queries, ceilDiv(f.queries, fusedQueries))
	scores := m.take(small.ScoresLen())
	for i := range all {
		memory := m.take(small.QueriesLen(f.D))
		if memory != nil {
			all[i] = small.NewQueries(memory, scores, f.D)
		}
	}
	return all
}

// attendFused computes a task's queries; 32 of them meet some blocks of keys at a time.
func (f *forward) attendFused(w *forwardWorker, packed []float32, q vec.Matrix, y, lse []float32) {
	all := w.fused[:ceilDiv(q.Rows, fusedQueries)]
	size := f.packedK + f.packedV
	whole := f.S / f.keys
	cached := max(cachedWords/size, 1)
	for i := range all {
		w.small.Begin(&all[i], f.Scale, q.From(i*fusedQueries, fusedQueries))
	}
	for from := 0; from < f.keyBlocks; from += cached {
		for i := range all {
			if blocks := min(cached, whole-from); blocks > 0 {
				w.small.Attend(&all[i], &w.softmax, gemm.KeyBlocks{Packed: packed[from*size:], Count: blocks, Keys: f.keys, Stride: size, Values: f.packedK})
			}
			if from+cached > whole && f.S > whole*f.keys {
				w.small.Attend(&all[i], &w.softmax, gemm.KeyBlocks{Packed: packed[whole*size:], Count: 1, Keys: f.S - whole*f.keys, Stride: size, Values: f.packedK})
			}
		}
	}
	for i := range all {
		at := i * fusedQueries
		w.small.Finish(&all[i], &w.softmax, y[at*f.width():], f.width())
		for r := range min(fusedQueries, q.Rows-at) {
			lse[at+r] = w.softmax.Top[r] + logarithm(w.softmax.Total[r])
		}
	}
}
