package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// The softmax of one score is 1: what attends to a single key, as to a class, is
// its value, and gives no gradient to the score.

// oneRows is the number of positions of a task.
const oneRows = 64

func (a Attention) forwardOne(q, k, v, y, lse []float32) []par.Phase {
	blocks, width := ceilDiv(a.T, oneRows), a.width()
	return []par.Phase{{Name: "attention", Tasks: a.N * blocks, Run: func(task, _ int) {
		n := task / blocks
		key, value := k[n*width:][:width], v[n*width:][:width]
		for t := task % blocks * oneRows; t < min((task%blocks+1)*oneRows, a.T); t++ {
			at := (n*a.T + t) * width
			for h := range a.Heads {
				lse[(n*a.Heads+h)*a.T+t] = a.Scale * vec.Dot(q[at+h*a.D:][:a.D], key[h*a.D:])
			}
			copy(y[at:][:width], value)
		}
	}}}
}

func (a Attention) backwardOne(dy, dq, dk, dv []float32) []par.Phase {
	width := a.width()
	return []par.Phase{{Name: "attention gradient", Tasks: a.N, Run: func(n, _ int) {
		clear(dq[n*a.T*width:][:a.T*width])
		clear(dk[n*width:][:width])
		sum := dv[n*width:][:width]
		clear(sum)
		for t := range a.T {
			vec.Add(sum, sum, dy[(n*a.T+t)*width:])
		}
	}}}
}
