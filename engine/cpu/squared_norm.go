package cpu

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// squaredNorm sums squares in blocks of fixed size, and then the blocks in order.
type squaredNorm struct {
	in  [][]float32
	sum [][]float64 // of every block
	out []float32
}

// nearSquares is the size from which the squares of a value are summed by the step that
// makes it, while it is in a cache.
const nearSquares = 1 << 16

func newSquaredNorm(in [][]float32, out []float32) *squaredNorm {
	n := &squaredNorm{in: in, out: out}
	for _, x := range in {
		n.sum = append(n.sum, make([]float64, (len(x)+blockSize-1)/blockSize))
	}
	return n
}

// squares is the phase that sums the squares of some inputs.
func (n *squaredNorm) squares(inputs ...int) par.Phase {
	type block struct{ input, at int }
	var all []block
	for _, k := range inputs {
		for at := range n.sum[k] {
			all = append(all, block{k, at})
		}
	}
	return par.Phase{Name: "squared norm", Tasks: len(all), Run: func(t, _ int) {
		k, at := all[t].input, all[t].at
		n.sum[k][at] = vec.SquaredNorm(n.in[k][at*blockSize : min((at+1)*blockSize, len(n.in[k]))])
	}}
}

// total is the phase that adds up all blocks.
func (n *squaredNorm) total() par.Phase {
	return par.Serial("squared norm", func() {
		var sum float64
		for _, blocks := range n.sum {
			for _, v := range blocks {
				sum += v
			}
		}
		if sum > math.MaxFloat32 {
			sum = math.Inf(1)
		}
		n.out[0] = float32(sum)
	})
}

// bindSquares gives the squares of large inputs to the steps that make them, and the
// rest to the norm's own step.
func bindSquares(s *step, b *binding, makers map[graph.Value]*step) []par.Phase {
	n := newSquaredNorm(b.in, b.out[0])
	var rest []int
	for k, v := range s.inputs {
		if maker := makers[origin(v)]; maker != nil && len(b.in[k]) >= nearSquares {
			maker.phases = append(maker.phases, n.squares(k))
		} else {
			rest = append(rest, k)
		}
	}
	return []par.Phase{n.squares(rest...), n.total()}
}
