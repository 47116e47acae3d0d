package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// The softmax of one score is 1: what attends to a single key, as to a class, is
// its value, and gives no gradient to the score.

// oneRows is the number of positions of a task.
const oneRows = 64

func (a Attention) forwardOne(x AttentionArgs) []par.Phase {
	blocks, width := ceilDiv(a.T, oneRows), a.width()
	return []par.Phase{{Name: "attention", Tasks: a.N * blocks, Run: func(task, _ int) {
		n := task / blocks
		key, value := x.K[n*width:][:width], x.V[n*width:][:width]
		for t := task % blocks * oneRows; t < min((task%blocks+1)*oneRows, a.T); t++ {
			at := (n*a.T + t) * width
			for h := range a.Heads {
				x.LSE[(n*a.Heads+h)*a.T+t] = a.Scale * vec.Dot(x.Q[at+h*a.D:][:a.D], key[h*a.D:])
			}
			copy(x.Y[at:][:width], value)
		}
	}}}
}

func (a Attention) backwardOne(d AttentionGrads) []par.Phase {
	width := a.width()
	return []par.Phase{{Name: "attention gradient", Tasks: a.N, Run: func(n, _ int) {
		clear(d.DQ[n*a.T*width:][:a.T*width])
		clear(d.DK[n*width:][:width])
		sum := d.DV[n*width:][:width]
		clear(sum)
		for t := range a.T {
			vec.Add(sum, sum, d.DY[(n*a.T+t)*width:])
		}
	}}}
}
