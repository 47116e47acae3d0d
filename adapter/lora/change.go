package lora

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/ldm-go/ldm/tensor"
)

// weightChange is the change of a weight of shape w at strength 1, before DoRA's
// scaling; check has accepted the module.
func (a *Adapter) weightChange(m *module, w tensor.Shape) ([]float32, error) {
	sum := make([]float32, w.Size())
	for _, form := range []struct {
		there bool
		make  func(*module, tensor.Shape) ([]float32, error)
	}{
		{m.has(up), a.loRA}, {m.has(hadaW1A), a.loHa}, {m.has(lokrW1, lokrW1A), a.loKr},
		{m.has(diff), func(m *module, _ tensor.Shape) ([]float32, error) { return a.read(m, diff) }},
	} {
		if !form.there {
			continue
		}
		change, err := form.make(m, w)
		if err != nil {
			return nil, err
		}
		addScaled(sum, 1, change)
	}
	return sum, nil
}

// biasChange is the same for the bias.
func (a *Adapter) biasChange(m *module) ([]float32, error) {
	if m.has(diffBias) {
		return a.read(m, diffBias)
	}
	bias, err := a.read(m, upBias)
	if err != nil {
		return nil, err
	}
	scale, err := a.scale(m, a.shape(m, down)[0])
	if err != nil {
		return nil, err
	}
	return scaled(bias, scale), nil
}

// readAll reads parts in their order.
func (a *Adapter) readAll(m *module, parts ...part) ([][]float32, error) {
	out := make([][]float32, len(parts))
	for i, p := range parts {
		if !m.has(p) {
			continue
		}
		var err error
		if out[i], err = a.read(m, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// loRA is scale·up·down, or with a middle convolution (LoCon's Tucker form)
//
//	change[o, i] = scale · Σ up[o, p] mid[p, q] down[q, i].
func (a *Adapter) loRA(m *module, w tensor.Shape) ([]float32, error) {
	x, err := a.readAll(m, up, down, mid)
	if err != nil {
		return nil, err
	}
	rank := a.shape(m, down)[0]
	scale, err := a.scale(m, rank)
	if err != nil {
		return nil, err
	}
	if x[2] == nil {
		return scaled(multiply(x[0], x[1], w[0], rank, w[1:].Size()), scale), nil
	}
	t := a.shape(m, mid)
	return scaled(tucker(x[0], x[2], x[1], w[0], t[0], t[1], w[1], t[2:].Size()), scale), nil
}

// loHa is scale·(w1_a·w1_b) ⊙ (w2_a·w2_b), each with a core or without.
func (a *Adapter) loHa(m *module, _ tensor.Shape) ([]float32, error) {
	scale, err := a.scale(m, a.shape(m, hadaW1B)[0])
	if err != nil {
		return nil, err
	}
	one, err := a.join(m, hadaW1A, hadaW1B, hadaT1)
	if err != nil {
		return nil, err
	}
	two, err := a.join(m, hadaW2A, hadaW2B, hadaT2)
	if err != nil {
		return nil, err
	}
	for i, v := range two {
		one[i] *= v * scale
	}
	return one, nil
}

// join is the product of two factors, with a core or without.
func (a *Adapter) join(m *module, left, right, core part) ([]float32, error) {
	x, err := a.readAll(m, left, right, core)
	if err != nil {
		return nil, err
	}
	l, r := a.shape(m, left), a.shape(m, right)
	if x[2] == nil {
		return multiply(x[0], x[1], l[0], r[0], r[1:].Size()), nil
	}
	rows := l[1:].Size()
	return tucker(turned(x[0], l[0], rows), x[2], x[1], rows, l[0], r[0], r[1:].Size(), a.shape(m, core)[2:].Size()), nil
}

// loKr is the Kronecker product scale·w1 ⊗ w2. Its scale is 1 where both are whole.
func (a *Adapter) loKr(m *module, w tensor.Shape) (out []float32, err error) {
	scale := float32(1)
	for _, right := range []part{lokrW2B, lokrW1B} {
		if m.has(right) {
			if scale, err = a.scale(m, a.shape(m, right)[0]); err != nil {
				return nil, err
			}
		}
	}
	one, rows, columns, err := a.whole(m, lokrW1, lokrW1A, lokrW1B, "")
	if err != nil {
		return nil, err
	}
	two, rows2, columns2, err := a.whole(m, lokrW2, lokrW2A, lokrW2B, lokrT2)
	if err != nil {
		return nil, err
	}
	out = make([]float32, w.Size())
	for i := range rows {
		for k := range rows2 {
			row := out[(i*rows2+k)*columns*columns2:][:columns*columns2]
			for j := range columns {
				v := scale * one[i*columns+j]
				for l, u := range two[k*columns2:][:columns2] {
					row[j*columns2+l] = v * u
				}
			}
		}
	}
	return out, nil
}

// whole is a factor of a Kronecker product.
func (a *Adapter) whole(m *module, name, left, right, core part) (x []float32, rows, columns int, err error) {
	if rows, columns, err = a.factor(m, name, left, right, core); err != nil {
		return nil, 0, 0, err
	}
	if m.has(name) {
		x, err = a.read(m, name)
	} else {
		x, err = a.join(m, left, right, core)
	}
	return x, rows, columns, err
}

// decompose is DoRA: the rows of v = W + change (or its columns, where the norms
// are those) get the lengths that the file gives.
func (a *Adapter) decompose(m *module, v []float32, w tensor.Shape) error {
	lengths, err := a.read(m, dora)
	if err != nil {
		return err
	}
	s := a.shape(m, dora)
	rows, per := w[0], w[1:].Size()
	inner := w[2:].Size()
	columns := len(lengths) != rows || len(s) >= 2 && s[0] == 1 && len(lengths) == w[1] && rows != 1
	squares := make([]float64, len(lengths))
	group := func(i int) int {
		if columns {
			return i % per / inner
		}
		return i / per
	}
	for i, x := range v {
		squares[group(i)] += float64(x) * float64(x)
	}
	for i := range v {
		g := group(i)
		v[i] = float32(float64(v[i]) * float64(lengths[g]) / (math.Sqrt(squares[g]) + 0x1p-23))
	}
	return nil
}

// multiply is a [m, k] times b [k, n].
func multiply(a, b []float32, m, k, n int) []float32 {
	out := make([]float32, m*n)
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, blas32.General{Rows: m, Cols: k, Stride: k, Data: a},
		blas32.General{Rows: k, Cols: n, Stride: n, Data: b}, 0, blas32.General{Rows: m, Cols: n, Stride: n, Data: out})
	return out
}

// tucker is left [m, p] times core [p, q, inner] times right [q, n]: [m, n, inner].
func tucker(left, core, right []float32, m, p, q, n, inner int) []float32 {
	half := multiply(left, core, m, p, q*inner)
	out := make([]float32, m*n*inner)
	for o := range m {
		for j := range q {
			from := half[(o*q+j)*inner:][:inner]
			for i := range n {
				to := out[(o*n+i)*inner:][:inner]
				for k, v := range from {
					to[k] += v * right[j*n+i]
				}
			}
		}
	}
	return out
}

// turned is the transpose of x [rows, columns].
func turned(x []float32, rows, columns int) []float32 {
	out := make([]float32, len(x))
	for i := range rows {
		for j := range columns {
			out[j*rows+i] = x[i*columns+j]
		}
	}
	return out
}

func scaled(x []float32, s float32) []float32 {
	for i := range x {
		x[i] *= s
	}
	return x
}

func addScaled(sum []float32, s float32, x []float32) {
	for i, v := range x {
		sum[i] += s * v
	}
}
