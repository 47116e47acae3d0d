package gemm

import (
	"fmt"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// normalised are the pictures of a convolution after a normalisation.
func normalised(c plans.Conv, x []float32, norm plans.Norm) []float32 {
	y := make([]float32, len(x))
	var rows vec.Rows
	for n := range c.N {
		part := n * norm.Rows * c.C
		from, to, coef := x[part:][:norm.Rows*c.C], y[part:], norm.Coef[2*n*c.C:]
		if norm.SiLU {
			rows.AffineSiLU(to, from, coef[:c.C], norm.Beta, coef[c.C:])
		} else {
			rows.Affine(to, from, coef[:c.C], norm.Beta, coef[c.C:])
		}
	}
	return y
}

// TestNormed: normalised on their way, pictures give the bits that they give when
// they are normalised before, whatever the blocks and however many the workers.
func TestNormed(t *testing.T) {
	tl := kernels.TilesFor(isa.Current())
	flat := []plans.Conv{{N: 5, H: 1, W: 700, C: 72, O: 33, KH: 1, KW: 1, Stride: 1}, {N: 2, H: 6, W: 5, C: 100, O: 40, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}}
	for i, c := range append(flat, blocked[1], blocked[2], blocked[3]) {
		for _, split := range []bool{false, true} {
			silu := (i%2 == 0) != split
			oh, ow := c.OutSize()
			x, w := random(c.N*c.H*c.W*c.C, 1), random(c.O*c.C*c.KH*c.KW, 2)
			norm := plans.Norm{Coef: random(2*c.N*c.C, 3), Beta: random(c.C, 4), Rows: c.H * c.W, SiLU: silu}
			want := make([]float32, c.N*oh*ow*c.O)
			run(tiled.PlanIn(1<<40, plans.Forward(c), c.Weights(), 1, tl, split), 1, plans.Args{X: normalised(c, x, norm), W: w, Y: want})
			normed := c
			normed.Normed = true
			for workers := 1; workers <= 3; workers++ {
				got := make([]float32, len(want))
				run(tiled.PlanIn(0, plans.Forward(normed), c.Weights(), workers, tl, split), workers, plans.Args{X: x, W: w, Y: got, Norm: norm})
				same(t, fmt.Sprintf("split %v %+v", split, c), got, want)
			}
		}
	}
}

// TestNormRows holds the kernel against its twin.
func TestNormRows(t *testing.T) {
	const count, lds = 3, 200
	x, coef := random(count*lds, 1), random(3*lds, 2)
	for n := 1; n <= 130; n += 13 {
		for _, silu := range []int{0, 1} {
			for _, low := range []int{0, 400} {
				a, b := make([]uint16, count*lds*2), make([]uint16, count*lds*2)
				args := kernels.RowsArgs{
					Dst: bytesOf(a), Ldd: lds * 4, Src: &x[0], Lds: lds * 4, N: n, Count: count, Low: low,
					A: &coef[0], Beta: &coef[lds], Mean: &coef[2*lds], Silu: silu,
				}
				kernels.TilesFor(isa.Current()).NormRows(&args)
				args.Dst = bytesOf(b)
				kernels.NormRowsPortable(&args)
				if fmt.Sprint(a) != fmt.Sprint(b) {
					t.Errorf("%d numbers, SiLU %d, low %d: rows differ from the portable ones", n, silu, low)
				}
			}
		}
	}
}
