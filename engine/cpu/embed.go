package cpu

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// lowerEmbedding copies rows of the table, which may be numbers of 16 bits; an index
// outside of it fails the run.
func (c *compiler) lowerEmbedding(n *graph.Node) lowered {
	rows, width := n.Inputs[0].Dim(0), n.Inputs[0].Dim(1)
	l := lowered{}
	var param *cell
	if op, ok := unshaped(n.Inputs[0].Node).Op.(graph.Param); ok {
		l.unread, param = []int{0}, c.weights.cells[op.Name]
		param.reread.Store(true)
	}
	p := c.prog
	l.bind = func(b *binding) []par.Phase {
		ids, y := b.ints[1], b.out[0]
		return []par.Phase{par.Serial("embedding", func() {
			table, raw := b.in[0], (*tensor.Tensor)(nil)
			if param != nil {
				raw = param.value.Load()
				table = raw.F32
			}
			for i, id := range ids {
				if id < 0 || int(id) >= rows {
					p.failed.CompareAndSwap(nil, &indexError{n.Scope, int(id), rows})
					id = 0
				}
				row, from := y[i*width:][:width], int(id)*width
				if table == nil {
					vec.Widen(raw.Format, row, raw.Half[from:][:width])
				} else {
					copy(row, table[from:])
				}
			}
		})}
	}
	return l
}

// lowerEmbeddingGrad adds rows in the order of the indices.
func lowerEmbeddingGrad(op graph.EmbeddingGrad, n *graph.Node) lowered {
	width := n.Out[0].Shape[1]
	return bound(func(b *binding) []par.Phase {
		ids, dy, dt := b.ints[0], b.in[1], b.out[0]
		return []par.Phase{par.Serial("embedding gradient", func() {
			clear(dt)
			for i, id := range ids {
				if id >= 0 && int(id) < op.Rows {
					row := dt[int(id)*width:][:width]
					vec.Add(row, row, dy[i*width:][:width])
				}
			}
		})}
	})
}

// lowerTimesteps rounds the frequencies to float32 as the reference does;
// angles, cosines and sines are float64.
func lowerTimesteps(op graph.TimestepEmbedding) lowered {
	half := op.Dim / 2
	freqs := make([]float64, half)
	for i := range freqs {
		exponent := float32(-math.Log(float64(op.MaxPeriod))) * float32(i) / float32(half)
		freqs[i] = float64(float32(math.Exp(float64(exponent))))
	}
	return bound(func(b *binding) []par.Phase {
		t, y := b.in[0], b.out[0]
		return []par.Phase{par.Serial("timesteps", func() {
			for n, step := range t {
				row := y[n*op.Dim:][:op.Dim]
				clear(row)
				for i, f := range freqs {
					sin, cos := math.Sincos(float64(step) * f)
					row[i], row[half+i] = float32(cos), float32(sin)
				}
			}
		})}
	})
}
