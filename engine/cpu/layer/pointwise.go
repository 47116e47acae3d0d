package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// GEGLU is value·GELU(gate) for rows x [Rows, 2C] = [value, gate], y [Rows, C].
type GEGLU struct{ Rows, C int }

// Forward computes y.
func (g GEGLU) Forward(x, y []float32) []par.Phase {
	block := rowsPerTask(g.C)
	return []par.Phase{{Name: "geglu", Tasks: ceilDiv(g.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, g.Rows); r++ {
			in, out := x[r*2*g.C:][:2*g.C], y[r*g.C:][:g.C]
			vec.GEGLU(out, in[:g.C], in[g.C:])
		}
	}}}
}

// Backward computes dx.
func (g GEGLU) Backward(x, dy, dx []float32) []par.Phase {
	block := rowsPerTask(g.C)
	return []par.Phase{{Name: "geglu gradient", Tasks: ceilDiv(g.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, g.Rows); r++ {
			in, d, out := x[r*2*g.C:][:2*g.C], dy[r*g.C:][:g.C], dx[r*2*g.C:][:2*g.C]
			vec.GEGLUGrad(out[:g.C], out[g.C:], in[:g.C], in[g.C:], d)
		}
	}}}
}

// Softmax normalises the exponentials of rows x, y [Rows, C].
type Softmax struct{ Rows, C int }

// Forward computes y.
func (s Softmax) Forward(x, y []float32) []par.Phase {
	block := rowsPerTask(s.C)
	return []par.Phase{{Name: "softmax", Tasks: ceilDiv(s.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, s.Rows); r++ {
			in, out := x[r*s.C:][:s.C], y[r*s.C:][:s.C]
			sum := vec.ExpSum(out, in, vec.Max(in))
			vec.Affine(out, out, 1/sum, 0)
		}
	}}}
}

// Backward computes dx = y∘(dy - Σ dy∘y).
func (s Softmax) Backward(y, dy, dx []float32) []par.Phase {
	block := rowsPerTask(s.C)
	return []par.Phase{{Name: "softmax gradient", Tasks: ceilDiv(s.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, s.Rows); r++ {
			out, d, g := y[r*s.C:][:s.C], dy[r*s.C:][:s.C], dx[r*s.C:][:s.C]
			vec.SoftmaxGrad(g, out, d, vec.Dot(out, d))
		}
	}}}
}
