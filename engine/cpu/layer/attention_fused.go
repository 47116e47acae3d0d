package layer

import "github.com/ldm-go/ldm/engine/cpu/gemm"

// fusedQueries is the number of queries that one call of gemm.Small's Attend takes.
const fusedQueries = 32

// chunkWords bounds the keys and values that all queries of a task meet before the
// next ones: they stay in the second-level cache.
const chunkWords = 1 << 18

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

// attendFused computes a task's queries; 32 of them meet a chunk of keys at a time.
func (f *forward) attendFused(w *forwardWorker, packed []float32, rows int, q, y, lse []float32) {
	all := w.fused[:ceilDiv(rows, fusedQueries)]
	size := f.packedK + f.packedV
	whole := f.S / f.keys
	chunk := max(chunkWords/size, 1)
	for i := range all {
		at := i * fusedQueries
		w.small.Begin(&all[i], min(fusedQueries, rows-at), f.Scale, q[at*f.width():], f.width())
	}
	for from := 0; from < f.keyBlocks; from += chunk {
		for i := range all {
			if blocks := min(chunk, whole-from); blocks > 0 {
				w.small.Attend(&all[i], &w.softmax, blocks, f.keys, packed[from*size:], size, f.packedK)
			}
			if from+chunk > whole && f.S > whole*f.keys {
				w.small.Attend(&all[i], &w.softmax, 1, f.S-whole*f.keys, packed[whole*size:], size, f.packedK)
			}
		}
	}
	for i := range all {
		at := i * fusedQueries
		w.small.Finish(&all[i], &w.softmax, y[at*f.width():], f.width())
		for r := range min(fusedQueries, rows-at) {
			lse[at+r] = w.softmax.Top[r] + logarithm(w.softmax.Total[r])
		}
	}
}
