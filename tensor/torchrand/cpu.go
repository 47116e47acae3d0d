// Package torchrand draws the random numbers that PyTorch draws: from its generator
// on processors (mt19937), from that on Nvidia's devices (Philox), and from the
// Brownian tree that k-diffusion uses (torchsde's). Values are those of the
// formulas in float64, rounded once; PyTorch's own float32 kernels differ from
// them, and from each other, by up to 1.5e-6.
package torchrand

import (
	"math"

	"gonum.org/v1/gonum/mathext/prng"
)

// CPU is torch.Generator("cpu").
type CPU struct {
	mt    *prng.MT19937
	spare float64 // the second of a pair of normal draws, where there is one
	kept  bool
}

// NewCPU is a generator after manual_seed(seed), of which the low 32 bits count.
func NewCPU(seed uint64) *CPU {
	mt := prng.NewMT19937()
	mt.Seed(seed & math.MaxUint32)
	return &CPU{mt: mt}
}

// Uint32 is the next word.
func (g *CPU) Uint32() uint32 { return g.mt.Uint32() }

// Uint64 is two words, the first one above.
func (g *CPU) Uint64() uint64 {
	high := uint64(g.Uint32())
	return high<<32 | uint64(g.Uint32())
}

// Float32 is torch.rand's draw, of 24 bits, from [0, 1).
func (g *CPU) Float32() float32 { return float32(g.Uint32()&(1<<24-1)) / (1 << 24) }

// Float64 is torch.rand's draw of float64, of 53 bits.
func (g *CPU) Float64() float64 { return float64(g.Uint64()&(1<<53-1)) / (1 << 53) }

// Int is torch.randint's draw from lo to hi - 1.
func (g *CPU) Int(lo, hi int64) int64 {
	if n := uint64(hi - lo); n >= 1<<28 {
		return lo + int64(g.Uint64()%n)
	} else {
		return lo + int64(g.Uint32()%uint32(n))
	}
}

// Perm is torch.randperm.
func (g *CPU) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := range n - 1 {
		j := i + int(g.Uint32())%(n-i)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// Normal fills dst as torch.randn does for float32.
func (g *CPU) Normal(dst []float32) {
	if len(dst) < 16 {
		for i := range dst {
			dst[i] = float32(g.pair())
		}
		return
	}
	normal(dst, g.Float32)
}

// Normal64 fills dst as torch.randn does for float64.
func (g *CPU) Normal64(dst []float64) {
	if len(dst) < 16 {
		for i := range dst {
			dst[i] = g.pair()
		}
		return
	}
	normal(dst, g.Float64)
}

// pair makes two draws at a time, and keeps the second one for the next call.
func (g *CPU) pair() float64 {
	if g.kept {
		g.kept = false
		return g.spare
	}
	u, v := g.Float64(), g.Float64()
	sin, cos := math.Sincos(2 * math.Pi * u)
	r := math.Sqrt(-2 * math.Log1p(-v))
	g.spare, g.kept = r*sin, true
	return r * cos
}

// normal is Box and Muller's transform in blocks of 16: eight radii, then eight
// angles. An incomplete last block is drawn again, together with what is before it.
func normal[T float32 | float64](dst []T, uniform func() T) {
	for i := range dst {
		dst[i] = uniform()
	}
	for i := 0; i+16 <= len(dst); i += 16 {
		block(dst[i : i+16])
	}
	if len(dst)%16 != 0 {
		last := dst[len(dst)-16:]
		for i := range last {
			last[i] = uniform()
		}
		block(last)
	}
}

func block[T float32 | float64](x []T) {
	for i := range 8 {
		r := math.Sqrt(-2 * math.Log(float64(1-x[i])))
		sin, cos := math.Sincos(2 * math.Pi * float64(x[i+8]))
		x[i], x[i+8] = T(r*cos), T(r*sin)
	}
}
