package layer

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// roof measures one thread's multiply-add roof in GFLOP/s.
func roof() float64 {
	best := time.Hour
	var flops int64
	for range 5 {
		start := time.Now()
		flops = kernels.Roof(isa.Current(), 2e6)
		best = min(best, time.Since(start))
	}
	return float64(flops) / best.Seconds() / 1e9
}

// BenchmarkAttention prints the speed of the forward and the backward pass on
// one thread, the fastest of all rounds, and its share of the multiply-add roof.
func BenchmarkAttention(b *testing.B) {
	for _, s := range [][5]int{
		{2, 4096, 4096, 8, 40}, {2, 1024, 1024, 8, 80}, {2, 4096, 77, 8, 40}, {1, 4096, 4096, 1, 512},
		{2, 256, 256, 8, 160}, {4, 1024, 1024, 6, 32}, {32, 256, 256, 3, 32}, {32, 64, 64, 6, 32}, {32, 16, 16, 12, 32}, {32, 256, 32, 3, 32},
	} {
		for _, prec := range []gemm.Precision{gemm.F32, gemm.BF16} {
			benchmarkAttention(b, s, prec)
		}
	}
}

func benchmarkAttention(b *testing.B, s [5]int, prec gemm.Precision) {
	a := Attention{N: s[0], T: s[1], S: s[2], Heads: s[3], D: s[4], Scale: float32(1 / math.Sqrt(float64(s[4])))}
	a.Products = func(int) *gemm.Small { return gemm.NewSmall(prec) }
	products := int64(2 * s[0] * s[1] * s[2] * s[3] * s[4])
	x := newAttentionOperands(a)
	for _, pass := range []struct {
		name   string
		phases []par.Phase
		flops  int64
	}{{"forward", x.forward(a, 1), 2 * products}, {"backward", x.backward(a, 1), 5 * products}} {
		b.Run(fmt.Sprintf("%v/%s/%v", s, pass.name, prec), func(b *testing.B) {
			pool := par.NewPool(1)
			defer pool.Close()
			top := roof()
			pool.Run(pass.phases)
			best := time.Hour
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				pool.Run(pass.phases)
				best = min(best, time.Since(start))
			}
			speed := float64(pass.flops) / best.Seconds() / 1e9
			b.ReportMetric(speed, "GFLOP/s")
			b.ReportMetric(100*speed/top, "%roof")
			b.ReportMetric(best.Seconds()*1e3, "ms")
		})
	}
}
