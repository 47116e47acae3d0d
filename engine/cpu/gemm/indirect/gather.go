package indirect

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// SmallDepth: pictures of fewer channels (the 3 or 4 at the ends of a network)
// are gathered into rows of all taps, since a tap alone would not fill a
// kernel's loop.
const SmallDepth = 16

// gather copies the pixels that the taps of each result see into rows
// [rows][width], zero where a tap is outside or the row is longer.
func gather(src plans.PixelSource, width int, dst, x []float32) par.Phase {
	rows, depth, taps := src.Size()
	const block = 256
	zero := plans.Zeros(depth)
	return par.Phase{Name: "gather", Tasks: plans.CeilDiv(rows, block), Run: func(task, _ int) {
		var table [256]uintptr
		for m := task * block; m < min((task+1)*block, rows); m++ {
			src.Fill(table[:taps], 1, m, 1, kernels.AddressOf(x), kernels.AddressOf(zero))
			row := dst[m*width:][:width]
			for t := range taps {
				copy(row[t*depth:], kernels.FloatsAt(table[t], depth))
			}
			clear(row[taps*depth:])
		}
	}}
}

// Gathered is the width of a gathered row: enough for any kernel's tile.
func Gathered(c plans.Conv) int { return max(plans.RoundUp(c.KH*c.KW*c.C, 4), kernels.MaxRows) }

// PlanGathered is a convolution as a product of gathered rows.
func PlanGathered(c plans.Conv, workers int, k kernels.Kernel) *plans.Plan {
	width, taps := Gathered(c), c.KH*c.KW
	src := plans.ForwardSource(c)
	rows, _, _ := src.Size()
	dot := PlanDot(plans.RowSource{Rows: rows, Depth: width}, plans.Order{Cols: c.O, Depth: width, Taps: 1}, workers, k)
	packing := plans.PanelPacking(plans.Key("gathered", c.Weights(), k.Cols, width), c.Weights(), k.Cols, width*k.Cols, workers, func(n int, out, raw []float32) {
		clear(out)
		for col := range n {
			for ch := range c.C {
				for t := range taps {
					out[(t*c.C+ch)*k.Cols+col] = raw[(col*c.C+ch)*taps+t]
				}
			}
		}
	})
	bind := func(a plans.Args) []par.Phase {
		gathering := gather(src, width, a.Scratch, a.X)
		a.X, a.Scratch = a.Scratch[:rows*width], a.Scratch[rows*width:]
		return append([]par.Phase{gathering}, dot.Bind(a)...)
	}
	return &plans.Plan{PackedLen: dot.PackedLen, ScratchLen: rows*width + dot.ScratchLen, HalfLen: dot.HalfLen, Packing: packing, Phases: bind}
}

// PlanGatheredGradW is the gradient to the weights over gathered rows.
func PlanGatheredGradW(c plans.Conv, workers int, k kernels.Kernel) *plans.Plan {
	width, taps := Gathered(c), c.KH*c.KW
	src := plans.ForwardSource(c)
	rows, _, _ := src.Size()
	flat := plans.Conv{N: 1, H: 1, W: rows, C: width, O: c.O, KH: 1, KW: 1, Stride: 1}
	outer := PlanOuter(flat, plans.Layout{Row: c.O, Col: 1}, workers, k)
	return &plans.Plan{
		ScratchLen: rows*width + width*c.O,
		Phases: func(a plans.Args) []par.Phase {
			x, dw := a.Scratch[:rows*width], a.Scratch[rows*width:][:width*c.O]
			phases := append([]par.Phase{gather(src, width, x, a.X)}, outer.Bind(plans.Args{X: x, W: a.W, Y: dw})...)
			return append(phases, par.Serial("reorder", func() {
				for o := range c.O {
					for ch := range c.C {
						for t := range taps {
							a.Y[(o*c.C+ch)*taps+t] = dw[(t*c.C+ch)*c.O+o]
						}
					}
				}
			}))
		},
	}
}

// PlanPadded is an outer product over rows too short for a kernel's tile: they
// are copied with zeros behind.
func PlanPadded(c plans.Conv, out plans.Layout, workers int, k kernels.Kernel) *plans.Plan {
	short := c.C
	c.C = kernels.MaxRows
	taps := c.KH * c.KW
	inner := PlanOuter(c, plans.Layout{Row: c.O * taps, Col: taps, Tap: 1}, workers, k)
	pixels := c.N * c.H * c.W
	return &plans.Plan{
		ScratchLen: pixels*kernels.MaxRows + kernels.MaxRows*c.O*taps,
		Phases: func(a plans.Args) []par.Phase {
			x, dw := a.Scratch[:pixels*kernels.MaxRows], a.Scratch[pixels*kernels.MaxRows:][:kernels.MaxRows*c.O*taps]
			const block = 1024
			padding := par.Phase{Name: "pad", Tasks: plans.CeilDiv(pixels, block), Run: func(task, _ int) {
				for i := task * block; i < min((task+1)*block, pixels); i++ {
					row := x[i*kernels.MaxRows:][:kernels.MaxRows]
					clear(row[copy(row, a.X[i*short:(i+1)*short]):])
				}
			}}
			phases := append([]par.Phase{padding}, inner.Bind(plans.Args{X: x, W: a.W, Y: dw})...)
			return append(phases, par.Serial("reorder", func() {
				for ch := range short {
					for o := range c.O {
						for t := range taps {
							a.Y[ch*out.Row+o*out.Col+t*out.Tap] = dw[(ch*c.O+o)*taps+t]
						}
					}
				}
			}))
		},
	}
}
