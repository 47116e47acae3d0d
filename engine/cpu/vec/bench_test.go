package vec

import (
	"fmt"
	"testing"
)

// BenchmarkFunctions measures arrays that fit the first-level cache (2048) and
// the second-level one.
func BenchmarkFunctions(b *testing.B) {
	for _, n := range []int{2048, 1 << 15} {
		x, y, z, w := sample(n, 1), sample(n, 1), make([]float32, n), ones(n)
		v := make([]float32, n)
		step := AdamW{1e-5, .9, .999, 1e-8, .01}.Step(100, 1)
		for _, f := range []struct {
			name string
			run  func()
		}{
			{"Exp", func() { Exp(z, x) }},
			{"SiLU", func() { SiLU(z, x) }},
			{"GELU", func() { GELU(z, x) }},
			{"ReLU", func() { ReLU(z, x) }},
			{"SiLUGrad", func() { SiLUGrad(z, x, y) }},
			{"GELUGrad", func() { GELUGrad(z, x, y) }},
			{"Add", func() { Add(z, x, y) }},
			{"Div", func() { Div(z, x, y) }},
			{"Affine", func() { Affine(z, x, 2, 1) }},
			{"ExpSum", func() { ExpSum(z, x, 2) }},
			{"Max", func() { Max(x) }},
			{"Dot", func() { Dot(x, y) }},
			{"SquaredNorm", func() { SquaredNorm(x) }},
			{"GEGLU", func() { GEGLU(z, x, y) }},
			{"GEGLUGrad", func() { GEGLUGrad(z, v, x, y, w) }},
			{"LayerNorm", func() { LayerNorm(z, x, y, w, .1, 2) }},
			{"LayerNormSums", func() { LayerNormSums(x, y, RowNorm{w, .1, 2}, z, v) }},
			{"LayerNormGrad", func() { LayerNormGrad(z, x, y, RowNorm{w, .1, 2}, .3, .4) }},
			{"ScaledSum", func() { ScaledSum(z, z, y, .999, .001) }},
			{"AdamW", func() { step.Apply(x, y, w, z) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", f.name, n), func(b *testing.B) {
				b.SetBytes(int64(4 * n))
				for range b.N {
					f.run()
				}
			})
		}
	}
}

// BenchmarkRows measures 64 rows.
func BenchmarkRows(b *testing.B) {
	for _, c := range []int{32, 320} {
		x, y, d := sample(64*c, 1), make([]float32, 64*c), sample(64*c, 1)
		var p [6][]float32
		for i := range p {
			p[i] = sample(c, 1)
		}
		var r Rows
		for _, f := range []struct {
			name string
			run  func()
		}{
			{"Affine", func() { r.Affine(y, x, p[0], p[1], p[2]) }},
			{"AffineSiLU", func() { r.AffineSiLU(y, x, p[0], p[1], p[2]) }},
			{"Moments", func() { r.Moments(x, p[0], p[1], p[2]) }},
			{"Sum", func() { r.Sum(x, p[0]) }},
			{"NormBack", func() { r.NormBack(y, x, d, ChannelNorm{RStd: p[0], Mean: p[1]}, p[2], p[3]) }},
			{"NormSiLUBack", func() { r.NormSiLUBack(y, x, d, ChannelNorm{p[0], p[1], p[2], p[3]}, p[4], p[5]) }},
			{"Combine", func() { r.Combine(y, x, p[0], p[1], p[2], p[3]) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", f.name, c), func(b *testing.B) {
				for i := range p {
					copy(p[i], sample(c, .1)) // sums would grow without end
				}
				b.SetBytes(int64(4 * len(x)))
				for range b.N {
					f.run()
				}
			})
		}
	}
}
