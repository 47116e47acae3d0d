package gemm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// square is a 3x3 convolution of n pictures of side x side.
func square(n, side, c, o int) plans.Conv {
	return plans.Conv{
		N: n, H: side, W: side, C: c, O: o, KH: 3, KW: 3, Stride: 1,
		PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1, Training: n > 2,
	}
}

// TestChoice holds the model to what it must choose where the difference is clear.
func TestChoice(t *testing.T) {
	training := func(c plans.Conv) plans.Conv {
		c.Training = true
		return c
	}
	strided := square(1, 16, 64, 64)
	strided.Stride = 2
	for _, s := range []struct {
		conv                  plans.Conv
		forward, gradX, gradW method
	}{
		{square(1, 64, 320, 320), winograd44, winograd44, winograd44},
		{square(1, 512, 128, 128), winograd44, winograd44, winograd44},
		{square(1, 8, 64, 64), winograd22, winograd22, direct},                 // filters for few tiles, and their sums for one picture
		{square(1, 8, 1280, 1280), winograd22, winograd22, direct},             // and deep
		{square(1, 2, 128, 128), direct, direct, direct},                       // a row of the kernel's tile is not filled
		{training(square(1, 2, 128, 128)), winograd22, winograd22, direct},     // another picture fills it
		{training(square(1, 6, 128, 128)), winograd22, winograd22, winograd22}, // a third of the larger tiles would hang over
		{training(square(1, 16, 96, 96)), winograd44, winograd44, winograd44},
		{training(square(1, 4, 384, 384)), winograd44, winograd44, winograd44},
		{training(square(1, 16, 32, 48)), winograd44, winograd44, winograd44},
		{training(square(1, 8, 1280, 1280)), winograd44, winograd44, direct}, // the sums of so many filters have no room
		{square(1, 64, 4, 320), direct, winograd44, direct},                  // gathered rows
		{strided, direct, direct, direct},
	} {
		for _, level := range levels() {
			k := kernels.For(level)
			if level.Has(isa.AMX) { // has the kernels of AVX-512, which tiles go before
				continue
			}
			if k.Winograd == nil || s.conv.C%k.Winograd.Lanes != 0 {
				continue
			}
			for _, n := range []int{1, 32} { // never by the batch
				c := s.conv
				c.N = n
				got := [3]method{chosen(Forward, c, plans.F32, level), chosen(ToPicture, c, plans.F32, level), chosen(ToWeights, c, plans.F32, level)}
				if want := [3]method{s.forward, s.gradX, s.gradW}; got != want {
					t.Errorf("%v %+v: chose %v, not %v", level, c, got, want)
				}
				if chosen(Forward, c, plans.Exact, level) != direct {
					t.Errorf("%v %+v: exact sums are not direct", level, c)
				}
			}
		}
	}
}

// methodOf is the method of an algorithm of the table.
func methodOf(a *algorithm) method {
	switch {
	case strings.HasPrefix(a.name, "Winograd F(2x2,3x3)"):
		return winograd22
	case strings.HasPrefix(a.name, "Winograd F(4x4,3x3)"):
		return winograd44
	}
	return direct
}

// chosen is the method of the algorithm that the table gives.
func chosen(d Direction, c plans.Conv, prec plans.Precision, level isa.Level) method {
	return methodOf((&problem{Direction: d, conv: c, prec: prec, level: level}).choose())
}

// planBy plans by the first algorithm of a method that has a cost; nil if none accepts.
func planBy(m method, d Direction, c plans.Conv, level isa.Level) *plans.Plan {
	p := &problem{Direction: d, conv: c, prec: plans.F32, level: level, workers: 1}
	for i := range tables[d] {
		if a := &tables[d][i]; a.cost != nil && methodOf(a) == m && a.accepts(p) {
			plan := a.plan(p)
			plan.Flops = c.Flops()
			return plan
		}
	}
	return nil
}

// TestAlgorithmName: a plan reports what was chosen.
func TestAlgorithmName(t *testing.T) {
	for _, level := range levels() {
		if kernels.For(level).Winograd == nil {
			continue
		}
		if use, _ := plans.UseTiles(plans.F32, level); use {
			continue
		}
		name := kernels.For(level).Name
		for _, s := range []struct {
			got, want string
		}{
			{planConv(square(1, 64, 64, 64), plans.F32, 1, level).Algorithm, name + " Winograd F(4x4,3x3)"},
			{planConv(square(1, 8, 64, 64), plans.F32, 1, level).Algorithm, name + " Winograd F(2x2,3x3)"},
			{planConvGradW(square(1, 64, 64, 64), plans.F32, 1, level).Algorithm, name + " Winograd F(4x4,3x3) gradient"},
		} {
			if s.got != s.want {
				t.Errorf("%v: %q, not %q", level, s.got, s.want)
			}
		}
	}
}

// realShapes are those of the networks whose speed matters, and odd ones.
func realShapes() []plans.Conv {
	var all []plans.Conv
	add := func(n int, shapes ...[3]int) {
		for _, s := range shapes {
			all = append(all, square(n, s[0], s[1], s[2]))
		}
	}
	// Stable Diffusion's U-Net, cin256's, the decoder of kl-f8.
	add(1, [3]int{64, 320, 320}, [3]int{32, 640, 640}, [3]int{16, 1280, 1280}, [3]int{8, 1280, 1280},
		[3]int{64, 960, 320}, [3]int{32, 1920, 640}, [3]int{16, 2560, 1280}, [3]int{64, 4, 320}, [3]int{64, 320, 4})
	add(1, [3]int{64, 192, 192}, [3]int{32, 384, 384}, [3]int{16, 576, 576}, [3]int{8, 960, 960})
	add(1, [3]int{64, 512, 512}, [3]int{128, 512, 512}, [3]int{256, 256, 256}, [3]int{512, 128, 128}, [3]int{512, 128, 3})
	// Training, and the small U-Net's sampling.
	add(16, [3]int{64, 64, 64}, [3]int{32, 128, 128}, [3]int{16, 256, 256})
	add(32, [3]int{16, 96, 96}, [3]int{8, 192, 192}, [3]int{4, 384, 384}, [3]int{8, 576, 192}, [3]int{4, 576, 384})
	add(1, [3]int{16, 96, 96}, [3]int{8, 192, 192}, [3]int{4, 384, 384})
	for _, n := range []int{1, 32} {
		for _, side := range []int{2, 3, 4, 5, 6, 7, 8, 10, 16} {
			for _, c := range []int{32, 48, 64, 128, 384} {
				add(n, [3]int{side, c, c})
			}
		}
		add(n, [3]int{16, 32, 8}, [3]int{16, 16, 64}, [3]int{16, 8, 32}, [3]int{10, 40, 40})
	}
	return all
}

// BenchmarkMethods times all methods of a convolution and its gradients on one
// thread, and tells how much time the one that the model chooses loses.
func BenchmarkMethods(b *testing.B) {
	level := vectors(isa.Current()) // tiles go before these
	for _, c := range realShapes() {
		x, w, y := c.N*c.H*c.W*c.C, 9*c.C*c.O, c.N*c.H*c.W*c.O
		for _, d := range []struct {
			name    string
			is      Direction
			a, b, y int
		}{{"forward", Forward, x, w, y}, {"gradx", ToPicture, y, w, x}, {"gradw", ToWeights, x, y, w}} {
			if d.is != Forward && !c.Training {
				continue
			}
			b.Run(fmt.Sprintf("%s/%dx%d:%d-%d", d.name, c.N, c.H, c.C, c.O), func(b *testing.B) {
				compare(b, chosen(d.is, c, plans.F32, level), d.a, d.b, d.y, func(m method) *plans.Plan { return planBy(m, d.is, c, level) })
			})
		}
	}
}

func compare(b *testing.B, chosen method, x, w, y int, plan func(method) *plans.Plan) {
	var methods []method
	for _, m := range []method{direct, winograd22, winograd44} {
		if plan(m) != nil {
			methods = append(methods, m)
		}
	}
	pool := par.NewPool(1)
	defer pool.Close()
	phases := make([][]par.Phase, len(methods))
	var flops int64
	for i, m := range methods {
		p := plan(m)
		flops = p.Flops
		a := plans.Args{X: random(x, 1), W: random(w, 2), Y: make([]float32, y), Scratch: make([]float32, p.ScratchLen)}
		if p.PackedLen > 0 {
			packed := make([]float32, p.PackedLen)
			pool.Run(p.Pack(plans.Weights{F32: packed}, plans.Weights{F32: a.W}, make([]float32, p.PackScratch(tensor.F32, tensor.F32))))
			a.W = packed
		}
		phases[i] = p.Bind(a)
	}
	best := [3]time.Duration{time.Hour, time.Hour, time.Hour}
	for b.Loop() {
		for i := range methods {
			start := time.Now()
			pool.Run(phases[i])
			best[i] = min(best[i], time.Since(start))
		}
	}
	for i, m := range methods {
		b.ReportMetric(float64(flops)/best[i].Seconds()/1e9, fmt.Sprintf("GFLOP/s-%d", m))
	}
	b.ReportMetric(100*(best[chosen].Seconds()/min(best[0], best[1], best[2]).Seconds()-1), "%lost")
}
