package ldm

import (
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// exact computes layers in float64 as their definitions read, for rows of
// channels: pixels or tokens.
type exact struct{ vars engine.Vars }

type rows [][]float64

// rowsOf cuts a tensor into rows along its last axis.
func rowsOf(x *tensor.Tensor) rows {
	c := x.Shape[len(x.Shape)-1]
	out := make(rows, len(x.F32)/c)
	for i := range out {
		for _, v := range x.F32[i*c : (i+1)*c] {
			out[i] = append(out[i], float64(v))
		}
	}
	return out
}

func (r rows) flat() (out []float32) {
	for _, row := range r {
		for _, v := range row {
			out = append(out, float32(v))
		}
	}
	return out
}

func (r rows) plus(s rows) rows {
	return r.each(func(i, c int) float64 { return r[i][c] + s[i][c] })
}

// each makes rows of the same shape.
func (r rows) each(f func(i, c int) float64) rows {
	out := make(rows, len(r))
	for i := range r {
		for c := range r[i] {
			out[i] = append(out[i], f(i, c))
		}
	}
	return out
}

// linear is x·wᵀ, plus the bias where there is one.
func (e exact) linear(name string, x rows) rows {
	w, bias := e.vars[name+".weight"], e.vars[name+".bias"]
	out := make(rows, len(x))
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

// norm brings groups of channels of all rows to mean 0 and variance 1.
func (e exact) norm(name string, x rows, groups int, eps float64) rows {
	out := x.each(func(i, c int) float64 { return x[i][c] })
	w, bias := e.vars[name+".weight"].F32, e.vars[name+".bias"].F32
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

// layerNorm normalises each row.
func (e exact) layerNorm(name string, x rows) rows {
	var out rows
	for _, row := range x {
		out = append(out, e.norm(name, rows{row}, 1, 1e-5)...)
	}
	return out
}

// attention is softmax(q·kᵀ/√d)·v, head after head side by side.
func (e exact) attention(name string, x, context rows, heads int) rows {
	q, k, v := e.linear(name+".to_q", x), e.linear(name+".to_k", context), e.linear(name+".to_v", context)
	d := len(q[0]) / heads
	out := q.each(func(int, int) float64 { return 0 })
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

// gelu is the exact one, by the error function.
func gelu(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 }
