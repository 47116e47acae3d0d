package gemm

import (
	"fmt"
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// TestPackHalf: weights of 16 bits are packed as the same weights in float32 are, and
// narrowed to what those are in 16 bits.
func TestPackHalf(t *testing.T) {
	conv := plans.Conv{N: 2, H: 12, W: 12, C: 48, O: 70, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
	strided, first := conv, conv
	strided.Stride, first.C = 2, 3
	for _, m := range modes() {
		for name, plan := range map[string]*plans.Plan{
			"conv": planConv(conv, m.prec, 2, m.level), "gradient": planConvGradX(conv, m.prec, 2, m.level),
			"strided": planConv(strided, m.prec, 2, m.level), "its gradient": planConvGradX(strided, m.prec, 2, m.level),
			"gathered": planConv(first, m.prec, 2, m.level),
			"A·B":      planMatMul(plans.MatMul{M: 9, N: 70, K: 150}, m.prec, 2, m.level),
			"A·Bᵀ":     planMatMul(plans.MatMul{M: 9, N: 70, K: 150, TransB: true}, m.prec, 2, m.level),
			"GEGLU":    planMatMul(plans.MatMul{M: 9, N: 70, K: 150, TransB: true, GEGLU: true}, m.prec, 2, m.level),
		} {
			for _, f := range []tensor.Format{tensor.F16, tensor.BF16} {
				what := fmt.Sprint(name, m, f)
				n := plan.Packing.Weights.Size()
				raw, wide, want := plans.Weights{Half: make([]uint16, n), Format: f}, make([]float32, n), make([]float32, plan.PackedLen)
				vec.Narrow(f, raw.Half, random(n, 1))
				vec.Widen(f, wide, raw.Half)
				pool := par.NewPool(2)
				pool.Run(plan.Pack(plans.Weights{F32: want}, plans.Weights{F32: wide}, make([]float32, plan.PackScratch(tensor.F32, tensor.F32))))
				got := make([]float32, plan.PackedLen)
				pack := func(dst plans.Weights) {
					scratch := make([]float32, plan.PackScratch(dst.Format, f))
					for i := range scratch {
						scratch[i] = float32(math.NaN())
					}
					pool.Run(plan.Pack(dst, raw, scratch))
				}
				pack(plans.Weights{F32: got})
				sameBits(t, what, got, want)
				if plan.HalfLen > 0 {
					held := plans.Weights{Half: make([]uint16, plan.PackedLen), Format: f}
					pack(held)
					vec.Widen(f, got, held.Half)
					sameBits(t, what+" held", got, want)
				}
				pool.Close()
			}
		}
	}
}

// sameBits compares words that may be pairs of bfloat16, among them those of a NaN.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) {
			t.Errorf("%s: word %d is %08x, want %08x", what, i, math.Float32bits(got[i]), math.Float32bits(v))
			return
		}
	}
}
