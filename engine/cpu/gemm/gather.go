package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// smallDepth: pictures of fewer channels (the 3 or 4 at the ends of a network)
// are gathered into rows of all taps, since a tap alone would not fill a
// kernel's loop.
const smallDepth = 16

// gather copies the pixels that the taps of each result see into rows
// [rows][width], zero where a tap is outside or the row is longer.
func gather(src pixelSource, width int, dst, x []float32) par.Phase {
	rows, depth, taps := src.size()
	const block = 256
	zero := zeros(depth)
	return par.Phase{Name: "gather", Tasks: ceilDiv(rows, block), Run: func(task, _ int) {
		var table [256]uintptr
		for m := task * block; m < min((task+1)*block, rows); m++ {
			src.fill(table[:taps], 1, m, 1, kernels.AddressOf(x), kernels.AddressOf(zero))
			row := dst[m*width:][:width]
			for t := range taps {
				copy(row[t*depth:], kernels.FloatsAt(table[t], depth))
			}
			clear(row[taps*depth:])
		}
	}}
}

// gathered is the width of a gathered row: enough for any kernel's tile.
func gathered(c Conv) int { return max(roundUp(c.KH*c.KW*c.C, 4), kernels.MaxRows) }

// planGathered is a convolution as a product of gathered rows.
func planGathered(c Conv, workers int, k kernels.Kernel) *Plan {
	width, taps := gathered(c), c.KH*c.KW
	src := forwardSource(c)
	rows, _, _ := src.size()
	dot := planDot(rowSource{rows, width}, weights{cols: c.O, depth: width, taps: 1}, workers, k)
	packing := panelPacking(key("gathered", c.weights(), k.Cols, width), c.weights(), k.Cols, width*k.Cols, workers, func(n int, out, raw []float32) {
		clear(out)
		for col := range n {
			for ch := range c.C {
				for t := range taps {
					out[(t*c.C+ch)*k.Cols+col] = raw[(col*c.C+ch)*taps+t]
				}
			}
		}
	})
	bind := func(a Args) []par.Phase {
		gathering := gather(src, width, a.Scratch, a.X)
		a.X, a.Scratch = a.Scratch[:rows*width], a.Scratch[rows*width:]
		return append([]par.Phase{gathering}, dot.Bind(a)...)
	}
	return &Plan{PackedLen: dot.PackedLen, ScratchLen: rows*width + dot.ScratchLen, HalfLen: dot.HalfLen, packing: packing, phases: bind}
}

// planGatheredGradW is the gradient to the weights over gathered rows.
func planGatheredGradW(c Conv, workers int, k kernels.Kernel) *Plan {
	width, taps := gathered(c), c.KH*c.KW
	src := forwardSource(c)
	rows, _, _ := src.size()
	flat := Conv{N: 1, H: 1, W: rows, C: width, O: c.O, KH: 1, KW: 1, Stride: 1}
	outer := planOuter(flat, layout{row: c.O, col: 1}, workers, k)
	return &Plan{
		ScratchLen: rows*width + width*c.O,
		phases: func(a Args) []par.Phase {
			x, dw := a.Scratch[:rows*width], a.Scratch[rows*width:][:width*c.O]
			phases := append([]par.Phase{gather(src, width, x, a.X)}, outer.Bind(Args{X: x, W: a.W, Y: dw})...)
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

// planPadded is an outer product over rows too short for a kernel's tile: they
// are copied with zeros behind.
func planPadded(c Conv, out layout, workers int, k kernels.Kernel) *Plan {
	short := c.C
	c.C = kernels.MaxRows
	taps := c.KH * c.KW
	inner := planOuter(c, layout{row: c.O * taps, col: taps, tap: 1}, workers, k)
	pixels := c.N * c.H * c.W
	return &Plan{
		ScratchLen: pixels*kernels.MaxRows + kernels.MaxRows*c.O*taps,
		phases: func(a Args) []par.Phase {
			x, dw := a.Scratch[:pixels*kernels.MaxRows], a.Scratch[pixels*kernels.MaxRows:][:kernels.MaxRows*c.O*taps]
			const block = 1024
			padding := par.Phase{Name: "pad", Tasks: ceilDiv(pixels, block), Run: func(task, _ int) {
				for i := task * block; i < min((task+1)*block, pixels); i++ {
					row := x[i*kernels.MaxRows:][:kernels.MaxRows]
					clear(row[copy(row, a.X[i*short:(i+1)*short]):])
				}
			}}
			phases := append([]par.Phase{padding}, inner.Bind(Args{X: x, W: a.W, Y: dw})...)
			return append(phases, par.Serial("reorder", func() {
				for ch := range short {
					for o := range c.O {
						for t := range taps {
							a.Y[ch*out.row+o*out.col+t*out.tap] = dw[(ch*c.O+o)*taps+t]
						}
					}
				}
			}))
		},
	}
}
