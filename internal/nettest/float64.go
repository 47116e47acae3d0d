package nettest

import (
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// Exact computes layers in float64 as their definitions read, for rows of
// channels: pixels or tokens.
type Exact struct{ Vars engine.Vars }

// Rows are vectors of channels.
type Rows [][]float64

// RowsOf cuts a tensor into rows along its last axis.
func RowsOf(x *tensor.Tensor) Rows {
	c := x.Shape[len(x.Shape)-1]
	out := make(Rows, len(x.F32)/c)
	for i := range out {
		for _, v := range x.F32[i*c : (i+1)*c] {
			out[i] = append(out[i], float64(v))
		}
	}
	return out
}

// Flat lists the numbers.
func (r Rows) Flat() (out []float32) {
	for _, row := range r {
		for _, v := range row {
			out = append(out, float32(v))
		}
	}
	return out
}

// Plus adds number by number.
func (r Rows) Plus(s Rows) Rows {
	return r.Each(func(i, c int) float64 { return r[i][c] + s[i][c] })
}

// Each makes rows of the same shape.
func (r Rows) Each(f func(i, c int) float64) Rows {
	out := make(Rows, len(r))
	for i := range r {
		for c := range r[i] {
			out[i] = append(out[i], f(i, c))
		}
	}
	return out
}

// Linear is x·wᵀ, Plus the bias where there is one.
func (e Exact) Linear(name string, x Rows) Rows {
	w, bias := e.Vars[name+".weight"], e.Vars[name+".bias"]
	out := make(Rows, len(x))
	for i, row := range x {
		for o := range w.Shape[0] {
			sum := 0.0
			if bias != nil {
				sum = float64(bias.F32[o])
			}
			for c, v := range row {
				sum += v * float64(w.F32[o*len(row)+c])
			}
			out[i] = append(out[i], sum)
		}
	}
	return out
}

// Norm brings groups of channels of all rows to mean 0 and variance 1.
func (e Exact) Norm(name string, x Rows, groups int, eps float64) Rows {
	out := x.Each(func(i, c int) float64 { return x[i][c] })
	w, bias := e.Vars[name+".weight"].F32, e.Vars[name+".bias"].F32
	width := len(w) / groups
	for g := range groups {
		var sum, squares float64
		for _, row := range x {
			for _, v := range row[g*width : (g+1)*width] {
				sum += v
				squares += v * v
			}
		}
		n := float64(len(x) * width)
		mean := sum / n
		scale := 1 / math.Sqrt(squares/n-mean*mean+eps)
		for i, row := range x {
			for c := g * width; c < (g+1)*width; c++ {
				out[i][c] = (row[c]-mean)*scale*float64(w[c]) + float64(bias[c])
			}
		}
	}
	return out
}

// LayerNorm normalises each row.
func (e Exact) LayerNorm(name string, x Rows) Rows {
	var out Rows
	for _, row := range x {
		out = append(out, e.Norm(name, Rows{row}, 1, 1e-5)...)
	}
	return out
}

// Attention is softmax(q·kᵀ/√d)·v, head after head side by side.
func (e Exact) Attention(name string, x, context Rows, heads int) Rows {
	q, k, v := e.Linear(name+".to_q", x), e.Linear(name+".to_k", context), e.Linear(name+".to_v", context)
	d := len(q[0]) / heads
	out := q.Each(func(int, int) float64 { return 0 })
	for i := range q {
		for h := 0; h < len(q[0]); h += d {
			weights, total := make([]float64, len(k)), 0.0
			for j := range k {
				for c := h; c < h+d; c++ {
					weights[j] += q[i][c] * k[j][c] / math.Sqrt(float64(d))
				}
				weights[j] = math.Exp(weights[j])
				total += weights[j]
			}
			for j, w := range weights {
				for c := h; c < h+d; c++ {
					out[i][c] += w / total * v[j][c]
				}
			}
		}
	}
	return out
}

// GELU is the exact one, by the error function.
func GELU(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 }
