package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/tensor"
)

// TestHalf: on every level the bits are those of the scalar conversions.
func TestHalf(t *testing.T) {
	defer func(k kernels) { use = k }(use)
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 70)
	for _, level := range isa.Available() {
		use = kernelsOf(level)
		for _, f := range []tensor.Format{tensor.F16, tensor.BF16} {
			for n := range len(x) {
				for i := range x {
					x[i] = float32(r.NormFloat64() * math.Exp2(r.Float64()*60-40))
				}
				x[3], x[9], x[17] = float32(math.Inf(1)), 65519.9, 0
				got, want := make([]uint16, n), make([]uint16, n)
				Narrow(f, got, x[:n])
				f.Narrow(want, x[:n])
				wide, wideWant := make([]float32, n), make([]float32, n)
				Widen(f, wide, want)
				f.Widen(wideWant, want)
				for i := range got {
					if got[i] != want[i] || wide[i] != wideWant[i] {
						t.Fatalf("%s %s: %g is %#x and %g, want %#x and %g", level, f, x[i], got[i], wide[i], want[i], wideWant[i])
					}
				}
			}
		}
	}
}
