package layer

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// Resize samples pictures anew, rows and columns apart: x [N, H, W, C] to
// y [N, len(rows), len(cols), C].
type Resize struct {
	N, H, W, C int
	rows, cols [][]tap
}

// tap is a pixel that a result is made of.
type tap struct {
	at     int
	weight float64
}

// NewResize makes the taps of pictures of shape x for results of shape y.
func NewResize(op graph.Resize, x, y graph.Shape) Resize {
	return Resize{x[0], x[1], x[2], x[3], taps(x[1], y[1], op.Method, op.Scale), taps(x[2], y[2], op.Method, op.Scale)}
}

func taps(in, out int, method graph.ResizeMethod, scale float64) [][]tap {
	all := make([][]tap, out)
	for i := range all {
		x := (float64(i)+.5)/scale - .5
		switch method {
		case graph.ResizeNearest:
			all[i] = []tap{{min(int(float64(i)/scale), in-1), 1}}
		case graph.ResizeBilinear:
			x = max(x, 0)
			low := min(int(x), in-1)
			f := x - float64(low)
			all[i] = []tap{{low, 1 - f}, {min(low+1, in-1), f}}
		case graph.ResizeBicubic:
			low := int(math.Floor(x))
			for k := -1; k <= 2; k++ {
				all[i] = append(all[i], tap{min(max(low+k, 0), in-1), cubic(x - float64(low+k))})
			}
		case graph.ResizeArea:
			from, to := i*in/out, ((i+1)*in+out-1)/out
			for k := from; k < to; k++ {
				all[i] = append(all[i], tap{k, 1 / float64(to-from)})
			}
		}
	}
	return all
}

// cubic is the convolution kernel of Keys with a = -¾.
func cubic(x float64) float64 {
	const a = -.75
	x = math.Abs(x)
	if x <= 1 {
		return ((a+2)*x-(a+3))*x*x + 1
	}
	return ((x-5)*x+8)*x*a - 4*a
}

// Forward computes y.
func (r Resize) Forward(x, y []float32) []par.Phase {
	return []par.Phase{{Name: "resize", Tasks: r.N * len(r.rows), Run: func(task, _ int) {
		n, i := task/len(r.rows), task%len(r.rows)
		for j, cols := range r.cols {
			out := y[(task*len(r.cols)+j)*r.C:][:r.C]
			clear(out)
			for _, a := range r.rows[i] {
				for _, b := range cols {
					w := float32(a.weight * b.weight)
					vec.ScaledSum(out, out, x[((n*r.H+a.at)*r.W+b.at)*r.C:][:r.C], 1, w)
				}
			}
		}
	}}}
}
