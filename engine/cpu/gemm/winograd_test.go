package gemm

import (
	"fmt"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// winogradKernels are those of this machine and the portable twin.
func winogradKernels() []kernel {
	twin := portable
	twin.winograd = &winogradPortable
	all := []kernel{twin}
	for _, level := range isa.Available() {
		if k := kernelFor(level); k.winograd != nil && k.name != all[len(all)-1].name {
			all = append(all, k)
		}
	}
	return all
}

// TestWinograd compares both directions with plain sums, over odd sizes,
// paddings and channel counts.
func TestWinograd(t *testing.T) {
	for _, c := range []Conv{
		{N: 1, H: 8, W: 8, C: 32, O: 32, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 3, H: 5, W: 7, C: 19, O: 37, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 2, H: 1, W: 1, C: 16, O: 5, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 1, H: 9, W: 4, C: 40, O: 70, PadTop: 0, PadBottom: 2, PadLeft: 2, PadRight: 0},
		{N: 2, H: 6, W: 11, C: 40, O: 56, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{N: 2, H: 30, W: 30, C: 48, O: 64, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	} {
		c.KH, c.KW, c.Stride = 3, 3, 1
		for _, k := range winogradKernels() {
			if c.C%k.winograd.lanes != 0 || c.O%k.winograd.lanes != 0 {
				continue
			}
			t.Run(fmt.Sprint(k.name, c), func(t *testing.T) { checkWinograd(t, c, k) })
		}
	}
}

func checkWinograd(t *testing.T, c Conv, k kernel) {
	oh, ow := c.OutSize()
	x, w, dy := random(c.N*c.H*c.W*c.C, 1), random(c.O*c.C*9, 2), random(c.N*oh*ow*c.O, 3)
	bias, add := random(c.O, 4), random(len(dy), 5)
	y, dx, dw := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
	for i := range y {
		y[i] = float64(bias[i%c.O]) + float64(add[i])
	}
	naiveConv(c, x, w, func(yi, xi, wi int) {
		y[yi] += float64(x[xi]) * float64(w[wi])
		dx[xi] += float64(dy[yi]) * float64(w[wi])
		dw[wi] += float64(dy[yi]) * float64(x[xi])
	})
	gotY, gotX, gotW := make([]float32, len(y)), make([]float32, len(x)), make([]float32, len(w))
	run(planWinograd(c, c.weights(), false, 2, k), 2, Args{X: x, W: w, Y: gotY, Bias: bias, Add: add})
	run(planWinograd(c.full(), c.weightsBackward(), true, 2, k), 2, Args{X: dy, W: w, Y: gotX})
	run(planWinogradGradW(c, layout{row: 9, col: c.C * 9, tap: 1}, 2, k), 2, Args{X: x, W: dy, Y: gotW})
	for _, r := range []struct {
		what string
		got  []float32
		want []float64
	}{{"forward", gotY, y}, {"gradient to x", gotX, dx}, {"gradient to w", gotW, dw}} {
		if e := relErr(r.got, r.want); !(e < 1e-5) {
			t.Errorf("%s: error %g", r.what, e)
		}
	}
}
