package gemm

import (
	"fmt"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// roof measures the multiply-add roof of so many workers, in GFLOP/s.
func roof(workers int) float64 {
	pool := par.NewPool(workers)
	defer pool.Close()
	var flops int64
	phase := []par.Phase{{Tasks: workers, Run: func(int, int) { flops = kernels.Roof(isa.Current(), 2e6) }}}
	best := time.Hour
	for range 5 {
		start := time.Now()
		pool.Run(phase)
		best = min(best, time.Since(start))
	}
	return float64(flops) * float64(workers) / best.Seconds() / 1e9
}

// BenchmarkShare prints the speed of products and convolutions, and their
// share of the multiply-add roof measured in the same run.
func BenchmarkShare(b *testing.B) {
	works := []struct {
		name string
		plan func(prec plans.Precision, workers int) (*plans.Plan, int, int, int)
	}{
		{"matmul1024", func(prec plans.Precision, workers int) (*plans.Plan, int, int, int) {
			return PlanMatMul(plans.MatMul{M: 1024, N: 1024, K: 1024}, prec, workers), 1 << 20, 1 << 20, 1 << 20
		}},
	}
	for _, s := range []struct{ n, hw, c int }{{8, 32, 128}, {1, 64, 320}, {32, 64, 32}, {64, 16, 64}, {64, 8, 128}, {64, 4, 192}} {
		c := plans.Conv{N: s.n, H: s.hw, W: s.hw, C: s.c, O: s.c, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
		x, w := c.N*c.H*c.W*c.C, c.O*c.C*9
		name := fmt.Sprintf("conv%d@%dx%d", s.c, s.hw, s.n)
		add := func(what string, f func(plans.Conv, plans.Precision, int) *plans.Plan, x, w, y int) {
			works = append(works, struct {
				name string
				plan func(prec plans.Precision, workers int) (*plans.Plan, int, int, int)
			}{name + what, func(prec plans.Precision, workers int) (*plans.Plan, int, int, int) {
				return f(c, prec, workers), x, w, y
			}})
		}
		add("", PlanConv, x, w, x)
		add("/gradx", PlanConvGradX, x, w, x)
		add("/gradw", PlanConvGradW, x, x, w)
	}
	for _, workers := range []int{1, 2} {
		top := roof(workers)
		for _, prec := range []plans.Precision{plans.F32, plans.BF16} {
			for _, p := range works {
				b.Run(fmt.Sprintf("%s/bf16=%d/threads=%d", p.name, prec, workers), func(b *testing.B) {
					plan, x, w, y := p.plan(prec, workers)
					pool := par.NewPool(workers)
					defer pool.Close()
					args := plans.Args{X: random(x, 1), W: random(w, 2), Y: make([]float32, y), Scratch: make([]float32, plan.ScratchLen)}
					if plan.PackedLen > 0 {
						packed := make([]float32, plan.PackedLen)
						pool.Run(plan.Pack(plans.Weights{F32: packed}, plans.Weights{F32: args.W}, make([]float32, plan.PackScratch(tensor.F32, tensor.F32))))
						args.W = packed
					}
					phases := plan.Bind(args)
					pool.Run(phases)
					b.ReportAllocs()
					b.ResetTimer()
					for b.Loop() {
						pool.Run(phases)
					}
					speed := float64(plan.Flops) * float64(b.N) / b.Elapsed().Seconds() / 1e9
					b.ReportMetric(speed, "GFLOP/s")
					b.ReportMetric(100*speed/top, "%roof")
				})
			}
		}
	}
}
