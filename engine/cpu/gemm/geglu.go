package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// A product followed by GEGLU (Shazeer, arXiv 2002.05202) makes the values of a
// panel and their gates, and joins the two while they are in the cache. Each half
// of the columns has panels of its own, so that a half may be of any width.

// gateSize is the memory for the values, or the gates, of a panel and a task's rows.
func (p *dotPlan) gateSize() int {
	if !p.weights.gated {
		return 0
	}
	return p.tilesPerTask * p.Kernel.Rows * p.Kernel.Cols
}

// gate writes value·GELU(gate) of a panel of values and its panel of gates.
func (p *dotPlan) gate(a *Args, w *dotWorker, panel, first, last int) {
	rows, cols := p.Kernel.Rows, p.Kernel.Cols
	for i, half := range w.halves {
		p.panel(a, w, 2*panel+i, first, last, output{y: kernels.AddressOf(half), stride: cols * 4})
	}
	n := min(last*rows, p.rows) - first*rows
	value := w.halves[0][:n*cols]
	vec.GEGLU(value, value, w.halves[1][:n*cols])
	width := min(cols, p.cols-panel*cols)
	for r := range n {
		copy(a.Y[(first*rows+r)*p.cols+panel*cols:][:width], value[r*cols:])
	}
}

// gate makes two tiles of each, its values and its gates, whose weights lie size words
// further on. They take turns, so that the tile unit multiplies while the rest of the core
// computes GEGLU.
func (p *tilesPlan) gate(w *tilesWorker, size int) {
	n := w.tile.Count
	for i := n - 1; i >= 0; i-- {
		for j := range 2 {
			w.moves[2*i+j], w.gaps[2*i+j], w.shifts[2*i+j] = w.moves[i], w.gaps[i], j*size*4
		}
	}
	w.tile.Count, w.tile.Shifts = 2*n, &w.shifts[0]
	w.put.Gated, w.put.Half = 1, 0
	if p.halfY {
		w.put.Half = 1
	}
}
