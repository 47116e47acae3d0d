package layer

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// LayerNorm normalises rows.
//
//	x, y         [Rows, C]
//	gamma, beta  [C]
//	stats        [Rows, 2]: mean and 1/sqrt(var+Eps)
type LayerNorm struct {
	Rows, C int
	Eps     float32
}

// rowsPerTask bounds the numbers in a task.
func rowsPerTask(c int) int { return max(1<<14/c, 1) }

// Forward computes y and stats.
func (l LayerNorm) Forward(x, gamma, beta, y, stats []float32) []par.Phase {
	block := rowsPerTask(l.C)
	return []par.Phase{{Name: "layer norm", Tasks: ceilDiv(l.Rows, block), Run: func(task, _ int) {
		for r := task * block; r < min((task+1)*block, l.Rows); r++ {
			in, out := x[r*l.C:][:l.C], y[r*l.C:][:l.C]
			mean, variance := moments(in)
			rstd := float32(1 / math.Sqrt(variance+float64(l.Eps)))
			m := float32(mean)
			stats[2*r], stats[2*r+1] = m, rstd
			vec.LayerNorm(out, in, gamma, beta, m, rstd)
		}
	}}}
}

// ForwardHalf computes y as bfloat16; the statistics are not kept.
func (l LayerNorm) ForwardHalf(x, gamma, beta []float32, y []uint16, workers int) []par.Phase {
	block := rowsPerTask(l.C)
	rows := make([]float32, workers*l.C)
	return []par.Phase{{Name: "layer norm", Tasks: ceilDiv(l.Rows, block), Run: func(task, worker int) {
		out := rows[worker*l.C:][:l.C]
		for r := task * block; r < min((task+1)*block, l.Rows); r++ {
			in := x[r*l.C:][:l.C]
			mean, variance := moments(in)
			vec.LayerNorm(out, in, gamma, beta, float32(mean), float32(1/math.Sqrt(variance+float64(l.Eps))))
			vec.Narrow(tensor.BF16, y[r*l.C:][:l.C], out)
		}
	}}}
}

// moments of a row, the variance around the mean.
func moments(x []float32) (mean, variance float64) {
	mean = float64(vec.Sum(x)) / float64(len(x))
	return mean, float64(vec.Deviation(x, float32(mean))) / float64(len(x))
}

// Backward computes dx, dgamma and dbeta; see GroupNorm.Backward for the formula.
func (l LayerNorm) Backward(x, gamma, stats, dy, dx, dgamma, dbeta []float32) []par.Phase {
	block := rowsPerTask(l.C)
	tasks := ceilDiv(l.Rows, block)
	part := make([]float32, tasks*2*l.C)
	return []par.Phase{
		{Name: "layer norm", Tasks: tasks, Run: func(task, _ int) {
			sum, dot := part[task*2*l.C:][:l.C], part[task*2*l.C+l.C:][:l.C]
			clear(sum)
			clear(dot)
			for r := task * block; r < min((task+1)*block, l.Rows); r++ {
				x, dy := x[r*l.C:][:l.C], dy[r*l.C:][:l.C]
				mean, rstd := stats[2*r], stats[2*r+1]
				m1, m2 := vec.LayerNormSums(x, dy, gamma, sum, dot, mean, rstd)
				vec.LayerNormGrad(dx[r*l.C:][:l.C], x, dy, gamma, mean, rstd, m1/float32(l.C), m2/float32(l.C))
			}
		}},
		par.Serial("parameters", func() {
			for ch := range l.C {
				var sum, dot float64
				for t := range tasks {
					sum += float64(part[t*2*l.C+ch])
					dot += float64(part[t*2*l.C+l.C+ch])
				}
				dbeta[ch], dgamma[ch] = float32(sum), float32(dot)
			}
		}),
	}
}
