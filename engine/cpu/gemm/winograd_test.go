package gemm

import (
	"fmt"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/winograd"
)

// winogradKernels are those of this machine and the portable twin.
func winogradKernels() []kernels.Kernel {
	twin := kernels.Portable
	twin.Winograd = &kernels.WinogradPortable
	all := []kernels.Kernel{twin}
	for _, level := range levels() {
		if k := kernels.For(level); k.Winograd != nil && k.Name != all[len(all)-1].Name {
			all = append(all, k)
		}
	}
	return all
}

// eachWinograd runs a test for every kernel and size that can compute a shape.
func eachWinograd(t *testing.T, c plans.Conv, test func(t *testing.T, c plans.Conv, k kernels.Kernel, size kernels.WinogradSize)) {
	c.KH, c.KW, c.Stride = 3, 3, 1
	for _, k := range winogradKernels() {
		if c.C%k.Winograd.Lanes != 0 || c.O%k.Winograd.Lanes != 0 {
			continue
		}
		for _, size := range []kernels.WinogradSize{kernels.WinogradF2(k), kernels.WinogradF4(k)} {
			t.Run(fmt.Sprint(k.Name, " ", size, c), func(t *testing.T) { test(t, c, k, size) })
		}
	}
}

// TestWinograd compares all directions with plain sums, over odd sizes,
// paddings and channel counts.
func TestWinograd(t *testing.T) {
	for _, c := range []plans.Conv{
		{N: 1, H: 8, W: 8, C: 32, O: 32, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 3, H: 5, W: 7, C: 19, O: 37, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 2, H: 1, W: 1, C: 16, O: 5, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 1, H: 9, W: 4, C: 40, O: 70, PadTop: 0, PadBottom: 2, PadLeft: 2, PadRight: 0},
		{N: 2, H: 3, W: 6, C: 16, O: 24, PadTop: 2, PadBottom: 2, PadLeft: 0, PadRight: 0},
		{N: 3, H: 2, W: 2, C: 48, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 2, H: 6, W: 11, C: 40, O: 56, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 2, H: 30, W: 30, C: 48, O: 64, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 3, H: 29, W: 31, C: 16, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	} {
		eachWinograd(t, c, checkWinograd)
	}
}

func checkWinograd(t *testing.T, c plans.Conv, k kernels.Kernel, size kernels.WinogradSize) {
	s := sumsOf(c)
	y, dx, dw := make([]float32, len(s.y)), make([]float32, len(s.x)), make([]float32, len(s.w))
	run(winograd.Plan(c, c.Weights(), false, 2, k, size), 2, plans.Args{X: s.x, W: s.w, Y: y, Bias: s.bias, Add: s.add})
	run(winograd.Plan(c.Full(), c.WeightsBackward(), true, 2, k, size), 2, plans.Args{X: s.dy, W: s.w, Y: dx})
	run(winograd.PlanGrad(c, 2, k, size), 2, plans.Args{X: s.x, W: s.dy, Y: dw})
	limit := 1e-5
	if size.Out == 2 {
		limit = 1e-6 // as direct sums
	}
	for _, r := range []struct {
		what string
		got  []float32
		want []float64
	}{{"forward", y, s.y}, {"gradient to x", dx, s.gradX}, {"gradient to w", dw, s.gradW}} {
		if e := relErr(r.got, r.want); !(e < limit) {
			t.Errorf("%s: error %g", r.what, e)
		}
	}
}

// TestWinogradSameBits: a picture's results and gradient do not depend on its
// batch, which may be cut into blocks where a single picture is not, nor on the
// number of workers; those of the weights not on the workers.
func TestWinogradSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies many shapes")
	}
	for _, c := range []plans.Conv{
		{H: 30, W: 30, C: 48, O: 64, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{H: 7, W: 5, C: 24, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	} {
		eachWinograd(t, c, func(t *testing.T, c plans.Conv, k kernels.Kernel, size kernels.WinogradSize) {
			one, many := c, c
			one.N, many.N = 1, 3
			if k.Name != "portable" {
				many.N = 9
			}
			x, w, dy := random(many.N*c.H*c.W*c.C, 1), random(9*c.C*c.O, 2), random(many.N*c.H*c.W*c.O, 3)
			y, dx := make([]float32, len(dy)/many.N), make([]float32, len(x)/many.N)
			at := many.N - 1
			run(winograd.Plan(one, c.Weights(), false, 1, k, size), 1, plans.Args{X: x[at*len(dx):], W: w, Y: y})
			run(winograd.Plan(one.Full(), c.WeightsBackward(), true, 1, k, size), 1, plans.Args{X: dy[at*len(y):], W: w, Y: dx})
			var dw [4][]float32
			for workers := 1; workers <= 3; workers++ {
				allY, allX := make([]float32, len(dy)), make([]float32, len(x))
				dw[workers] = make([]float32, len(w))
				run(winograd.Plan(many, c.Weights(), false, workers, k, size), workers, plans.Args{X: x, W: w, Y: allY})
				run(winograd.Plan(many.Full(), c.WeightsBackward(), true, workers, k, size), workers, plans.Args{X: dy, W: w, Y: allX})
				run(winograd.PlanGrad(many, workers, k, size), workers, plans.Args{X: x, W: dy, Y: dw[workers]})
				same(t, fmt.Sprint("forward, workers ", workers), allY[at*len(y):], y)
				same(t, fmt.Sprint("gradient to x, workers ", workers), allX[at*len(dx):], dx)
				same(t, fmt.Sprint("gradient to w, workers ", workers), dw[workers], dw[1])
			}
		})
	}
}

// TestWinogradUp: as TestUp, for both sizes of tiles.
func TestWinogradUp(t *testing.T) {
	c := plans.Conv{N: 2, H: 10, W: 14, C: 24, O: 40, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
	eachWinograd(t, c, func(t *testing.T, c plans.Conv, k kernels.Kernel, size kernels.WinogradSize) {
		w, small := random(9*c.C*c.O, 1), random(c.N*c.H*c.W*c.C/4, 2)
		large := make([]float32, c.N*c.H*c.W*c.C)
		for i := range c.N * c.H * c.W {
			row, x := i/c.W, i%c.W
			copy(large[i*c.C:][:c.C], small[(row/2*(c.W/2)+x/2)*c.C:])
		}
		want, got := make([]float32, c.N*c.H*c.W*c.O), make([]float32, c.N*c.H*c.W*c.O)
		run(winograd.Plan(c, c.Weights(), false, 2, k, size), 2, plans.Args{X: large, W: w, Y: want})
		c.Up = 2
		run(winograd.Plan(c, c.Weights(), false, 2, k, size), 2, plans.Args{X: small, W: w, Y: got})
		same(t, "enlarged", got, want)
	})
}
