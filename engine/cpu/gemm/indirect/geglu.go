package indirect

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// gateSize is the memory for the values, or the gates, of a panel and a task's rows.
func (p *dotPlan) gateSize() int {
	if !p.weights.Gated {
		return 0
	}
	return p.tilesPerTask * p.Kernel.Rows * p.Kernel.Cols
}

// gate writes value·GELU(gate) of a panel of values and its panel of gates.
func (p *dotPlan) gate(a *plans.Args, w *dotWorker, panel, first, last int) {
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
