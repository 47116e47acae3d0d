package layer

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// LayerNorm normalises rows.
type LayerNorm struct {
	Rows, C int
	Eps     float32
}

// rowsPerTask bounds the numbers in a task.
func rowsPerTask(c int) int { return max(1<<14/c, 1) }

// Forward computes Y and Stats.
func (l LayerNorm) Forward(x NormArgs) []par.Phase {
	block := rowsPerTask(l.C)
	return []par.Phase{{Name: "layer norm", Tasks: ceilDiv(l.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, l.Rows); r++ {
			in, out := x.X[r*l.C:][:l.C], x.Y[r*l.C:][:l.C]
			mean, variance := moments(in)
			rstd := float32(1 / math.Sqrt(variance+float64(l.Eps)))
			m := float32(mean)
			x.Stats[2*r], x.Stats[2*r+1] = m, rstd
			vec.LayerNorm(out, in, x.Gamma, x.Beta, m, rstd)
		}
	}}}
}

// ForwardHalf computes y as bfloat16 in the place of x.Y; the statistics are not kept.
func (l LayerNorm) ForwardHalf(x NormArgs, y []uint16, workers int) []par.Phase {
	block := rowsPerTask(l.C)
	rows := make([]float32, workers*l.C)
	return []par.Phase{{Name: "layer norm", Tasks: ceilDiv(l.Rows, block), Run: func(task, worker int) {
		out := rows[worker*l.C:][:l.C]
		for r := task * block; r < min((task+1)*block, l.Rows); r++ {
			in := x.X[r*l.C:][:l.C]
			mean, variance := moments(in)
			vec.LayerNorm(out, in, x.Gamma, x.Beta, float32(mean), float32(1/math.Sqrt(variance+float64(l.Eps))))
			vec.Narrow(tensor.BF16, y[r*l.C:][:l.C], out)
		}
	}}}
}

// moments of a row, the variance around the mean.
func moments(x []float32) (mean, variance float64) {
	mean = float64(vec.Sum(x)) / float64(len(x))
	return mean, float64(vec.Deviation(x, float32(mean))) / float64(len(x))
}

// Backward computes DX, DGamma and DBeta from X, Gamma and Stats; see GroupNorm.Backward
// for the formula.
func (l LayerNorm) Backward(x NormArgs, d NormGrads) []par.Phase {
	block := rowsPerTask(l.C)
	tasks := ceilDiv(l.Rows, block)
	partial := make([]float32, tasks*2*l.C)
	return []par.Phase{
		{Name: "layer norm", Tasks: tasks, Run: func(task, _ int) {
			sum, dot := partial[task*2*l.C:][:l.C], partial[task*2*l.C+l.C:][:l.C]
			clear(sum)
			clear(dot)
			for r := task * block; r < min((task+1)*block, l.Rows); r++ {
				in, dy := x.X[r*l.C:][:l.C], d.DY[r*l.C:][:l.C]
				norm := vec.RowNorm{Gamma: x.Gamma, Mean: x.Stats[2*r], RStd: x.Stats[2*r+1]}
				m1, m2 := vec.LayerNormSums(in, dy, norm, sum, dot)
				vec.LayerNormGrad(d.DX[r*l.C:][:l.C], in, dy, norm, m1/float32(l.C), m2/float32(l.C))
			}
		}},
		par.Serial("parameters", func() {
			for ch := range l.C {
				var sum, dot float64
				for t := range tasks {
					sum += float64(partial[t*2*l.C+ch])
					dot += float64(partial[t*2*l.C+l.C+ch])
				}
				d.DBeta[ch], d.DGamma[ch] = float32(sum), float32(dot)
			}
		}),
	}
}
