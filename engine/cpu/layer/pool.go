package layer

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// Upsample repeats pixels: x [N, H, W, C], y [N, F·H, F·W, C].
type Upsample struct{ N, H, W, C, Factor int }

// Forward computes y.
func (u Upsample) Forward(x, y []float32) []par.Phase {
	width := u.W * u.Factor * u.C
	return []par.Phase{{Name: "upsample", Tasks: u.N * u.H, Run: func(task, _ int) {
		rows := y[task*u.Factor*width:][:u.Factor*width]
		for i := range u.W {
			pixel := x[(task*u.W+i)*u.C:][:u.C]
			for f := range u.Factor {
				copy(rows[(i*u.Factor+f)*u.C:], pixel)
			}
		}
		for f := 1; f < u.Factor; f++ {
			copy(rows[f*width:][:width], rows[:width])
		}
	}}}
}

// AvgPool averages blocks: x [N, F·H, F·W, C], y [N, H, W, C].
type AvgPool struct{ N, H, W, C, Factor int }

// Forward computes y.
func (a AvgPool) Forward(x, y []float32) []par.Phase {
	f := a.Factor
	scale := 1 / float32(f*f)
	return []par.Phase{{Name: "average", Tasks: a.N * a.H, Run: func(task, _ int) {
		for i := range a.W {
			out := y[(task*a.W+i)*a.C:][:a.C]
			for dy := range f {
				for dx := range f {
					in := x[((task*f+dy)*a.W*f+i*f+dx)*a.C:][:a.C]
					if dy+dx == 0 {
						copy(out, in)
					} else {
						vec.Add(out, out, in)
					}
				}
			}
			vec.Affine(out, out, scale, 0)
		}
	}}}
}

// MaxPool takes maxima over windows: x [N, H, W, C], y [N, (H-K)/S+1, (W-K)/S+1, C].
type MaxPool struct{ N, H, W, C, Kernel, Stride int }

func (m MaxPool) out() (h, w int) { return (m.H-m.Kernel)/m.Stride + 1, (m.W-m.Kernel)/m.Stride + 1 }

// Forward computes y.
func (m MaxPool) Forward(x, y []float32) []par.Phase {
	h, w := m.out()
	return []par.Phase{{Name: "maximum", Tasks: m.N * h, Run: func(task, _ int) {
		n, row := task/h, task%h
		for i := range w {
			out := y[(task*w+i)*m.C:][:m.C]
			for k := range m.Kernel * m.Kernel {
				in := x[m.pixel(n, row, i, k)*m.C:][:m.C]
				if k == 0 {
					copy(out, in)
				} else {
					vec.Maximum(out, out, in)
				}
			}
		}
	}}}
}

// pixel is tap k of the window of result (row, i) of picture n.
func (m MaxPool) pixel(n, row, i, k int) int {
	return (n*m.H+row*m.Stride+k/m.Kernel)*m.W + i*m.Stride + k%m.Kernel
}

// Backward computes dx: dy goes to the first maximum of each window.
func (m MaxPool) Backward(x, y, dy, dx []float32) []par.Phase {
	h, w := m.out()
	size := m.H * m.W * m.C
	return []par.Phase{{Name: "maximum gradient", Tasks: m.N, Run: func(n, _ int) {
		clear(dx[n*size : (n+1)*size])
		for at := range h * w {
			for c := range m.C {
				i := (n*h*w+at)*m.C + c
				for k := range m.Kernel * m.Kernel {
					if p := m.pixel(n, at/w, at%w, k)*m.C + c; x[p] == y[i] {
						dx[p] += dy[i]
						break
					}
				}
			}
		}
	}}}
}
