package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// planMatMulGEGLU joins the halves where they are made, or after all of the product.
func planMatMulGEGLU(s MatMul, w weights, prec Precision, workers int, level isa.Level) *Plan {
	k := kernelFor(level)
	if use, _ := useTiles(prec, level); !use && s.N%(2*k.cols) == 0 {
		return planGated(rowSource{s.M, s.K}, w, workers, k)
	}
	s.GEGLU = false
	product := planMatMul(s, prec, workers, level)
	n, c := s.M*s.N, s.N/2
	const block = 16 // rows in a task
	return &Plan{
		Algorithm: product.Algorithm + ", GEGLU", PackedLen: product.PackedLen, ScratchLen: n + product.ScratchLen, pack: product.pack,
		bind: func(a Args) []par.Phase {
			x, y := a.Scratch[:n], a.Y
			a.Y, a.Scratch = x, a.Scratch[n:]
			return append(product.Bind(a), par.Phase{Name: "geglu", Tasks: ceilDiv(s.M, block), Run: func(task, _ int) {
				for r := task * block; r < min((task+1)*block, s.M); r++ {
					row := x[r*s.N:][:s.N]
					vec.GEGLU(y[r*c:][:c], row[:c], row[c:])
				}
			}})
		},
	}
}

// planGated is a product followed by GEGLU: the halves of a block of rows are made
// side by side and joined while they are in the cache.
func planGated(src source, w weights, workers int, k kernel) *Plan {
	p := newDot(src, w, workers, k, true)
	return p.plan(w, describe(k.name, k.rows, k.cols)+" GEGLU")
}

// gate writes value·GELU(gate) of a panel of values and its panel of gates.
func (p *dotPlan) gate(a *Args, w *dotWorker, panel, first, last int) {
	rows, cols := p.kernel.rows, p.kernel.cols
	for i, half := range w.halves {
		p.panel(a, w, i*p.panels+panel, cols, first, last, output{y: addressOf(half), stride: cols * 4})
	}
	n := min(last*rows, p.rows) - first*rows
	value := w.halves[0][:n*cols]
	vec.GEGLU(value, value, w.halves[1][:n*cols])
	for r := range n {
		copy(a.Y[(first*rows+r)*p.cols+panel*cols:][:cols], value[r*cols:])
	}
}
