package enginetest

import (
	"fmt"
	"math"

	"github.com/ldm-go/ldm/graph"
)

// layer computes the operations made of sums over channels and pixels.
func (t *evaluation) layer(n *graph.Node, y []float64) []float64 {
	in := func(i int) []float64 { return t.value(n.Inputs[i]) }
	s := n.Inputs[0].Shape()
	c := s[len(s)-1]
	switch op := n.Op.(type) {
	case graph.MatMul:
		a, b := in(0), in(1)
		out := n.Out[0].Shape
		cols := out[len(out)-1]
		k := len(a) / (len(y) / cols)
		for i := range y {
			r, j := i/cols, i%cols
			for m := range k {
				ai, bi := r*k+m, m*cols+j
				if op.TransA {
					ai = m*c + r
				}
				if op.TransB {
					bi = j*k + m
				}
				y[i] += a[ai] * b[bi]
			}
			if len(n.Inputs) == 3 {
				y[i] += in(2)[j]
			}
		}
	case graph.Conv2D:
		conv64(op, n, in(0), in(1), y)
		for i := range y {
			if len(n.Inputs) == 3 {
				y[i] += in(2)[i%n.Out[0].Shape[3]]
			}
		}
	case graph.GroupNorm:
		p, size := s.Size()/s[0]/c, c/op.Groups
		for i := range s[0] * op.Groups {
			var at []int
			for k := range p * size {
				at = append(at, (i/op.Groups*p+k/size)*c+i%op.Groups*size+k%size)
			}
			norm64(in(0), in(1), in(2), y, at, c, float64(op.Eps))
		}
		if op.SiLU {
			for i := range y {
				y[i] *= sigmoid(y[i])
			}
		}
	case graph.LayerNorm:
		for r := range s.Size() / c {
			var at []int
			for k := range c {
				at = append(at, r*c+k)
			}
			norm64(in(0), in(1), in(2), y, at, c, float64(op.Eps))
		}
	case graph.Attention:
		attention64(op, n, in(0), in(1), in(2), y)
	case graph.GEGLU:
		for i := range y {
			r, k := i/(c/2), i%(c/2)
			y[i] = in(0)[r*c+k] * unary64(graph.Unary{Fn: graph.GELU}, in(0)[r*c+c/2+k])
		}
	case graph.Softmax:
		for r := range len(y) / c {
			var sum float64
			for k := range c {
				y[r*c+k] = math.Exp(in(0)[r*c+k])
				sum += y[r*c+k]
			}
			for k := range c {
				y[r*c+k] /= sum
			}
		}
	case graph.Upsample, graph.AvgPool, graph.MaxPool:
		pool64(n, in(0), y)
	case graph.Resize:
		resize64(op, n, in(0), y)
	case graph.Nearest:
		nearest64(in(0), in(1), c, y)
	case graph.MatchTokens:
		match64(op, in(0), c, y)
	case graph.MergeTokens:
		merge64(op, n, in(0), in(1), y)
	case graph.UnmergeTokens:
		s := n.Inputs[0].Dim(1)
		for i := range y {
			token := i / c
			y[i] = in(0)[(token/n.Out[0].Shape[1]*s+int(in(1)[token]))*c+i%c]
		}
	default:
		panic(fmt.Sprintf("no definition of %T", n.Op))
	}
	return y
}

func norm64(x, gamma, beta, y []float64, at []int, c int, eps float64) {
	var mean, variance float64
	for _, i := range at {
		mean += x[i] / float64(len(at))
	}
	for _, i := range at {
		variance += (x[i] - mean) * (x[i] - mean) / float64(len(at))
	}
	for _, i := range at {
		y[i] = (x[i]-mean)/math.Sqrt(variance+eps)*gamma[i%c] + beta[i%c]
	}
}

func conv64(op graph.Conv2D, n *graph.Node, x, w, y []float64) {
	xs, ws, ys := n.Inputs[0].Shape(), n.Inputs[1].Shape(), n.Out[0].Shape
	channels, kh, kw := ws[1], ws[2], ws[3]
	for i := range y {
		at := coords(i, ys)
		top, left := at[1]*op.Stride-op.Top, at[2]*op.Stride-op.Left
		for c := range channels {
			kernel := w[(at[3]*channels+c)*kh*kw:]
			for ky := max(0, -top); ky < min(kh, xs[1]-top); ky++ {
				for kx := max(0, -left); kx < min(kw, xs[2]-left); kx++ {
					y[i] += x[((at[0]*xs[1]+top+ky)*xs[2]+left+kx)*xs[3]+c] * kernel[ky*kw+kx]
				}
			}
		}
	}
}

func attention64(op graph.Attention, n *graph.Node, q, k, v, y []float64) {
	qs, ks := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	d := qs[2] / op.Heads
	for i := range qs[0] * qs[1] * op.Heads {
		b, t, h := i/(qs[1]*op.Heads), i/op.Heads%qs[1], i%op.Heads
		row := (b*qs[1]+t)*qs[2] + h*d
		weights := make([]float64, ks[1])
		var sum float64
		for s := range weights {
			if op.Causal && s > t {
				continue
			}
			var dot float64
			for c := range d {
				dot += q[row+c] * k[(b*ks[1]+s)*qs[2]+h*d+c]
			}
			weights[s] = math.Exp(dot * float64(op.Scale))
			sum += weights[s]
		}
		for s, w := range weights {
			for c := range d {
				y[row+c] += w / sum * v[(b*ks[1]+s)*qs[2]+h*d+c]
			}
		}
	}
}

func pool64(n *graph.Node, x, y []float64) {
	xs, ys := n.Inputs[0].Shape(), n.Out[0].Shape
	get := func(at []int, dy, dx, stride int) float64 {
		return x[index([]int{at[0], at[1]*stride + dy, at[2]*stride + dx, at[3]}, xs)]
	}
	for i := range y {
		at := coords(i, ys)
		switch op := n.Op.(type) {
		case graph.Upsample:
			y[i] = x[index([]int{at[0], at[1] / op.Factor, at[2] / op.Factor, at[3]}, xs)]
		case graph.AvgPool:
			for k := range op.Factor * op.Factor {
				y[i] += get(at, k/op.Factor, k%op.Factor, op.Factor) / float64(op.Factor*op.Factor)
			}
		case graph.MaxPool:
			y[i] = math.Inf(-1)
			for k := range op.Kernel * op.Kernel {
				y[i] = max(y[i], get(at, k/op.Kernel, k%op.Kernel, op.Stride))
			}
		}
	}
}

// resize64 is PyTorch's interpolate with a scale factor and align_corners false.
func resize64(op graph.Resize, n *graph.Node, x, y []float64) {
	xs, ys := n.Inputs[0].Shape(), n.Out[0].Shape
	for i := range y {
		at := coords(i, ys)
		for _, v := range samples(op, at[1], xs[1], ys[1]) {
			for _, h := range samples(op, at[2], xs[2], ys[2]) {
				y[i] += v.weight * h.weight * x[index([]int{at[0], v.at, h.at, at[3]}, xs)]
			}
		}
	}
}

// sample is a pixel that one of the result is made of.
type sample struct {
	at     int
	weight float64
}

// samples are those of pixel i of out, from in pixels of a line.
func samples(op graph.Resize, i, in, out int) (all []sample) {
	inside := func(k int) int { return min(max(k, 0), in-1) }
	center := (float64(i)+.5)/op.Scale - .5
	low := int(math.Floor(center))
	switch op.Method {
	case graph.ResizeNearest:
		return []sample{{inside(int(float64(i) / op.Scale)), 1}}
	case graph.ResizeBilinear:
		center = max(center, 0)
		low = int(center)
		return []sample{{inside(low), 1 - (center - float64(low))}, {inside(low + 1), center - float64(low)}}
	case graph.ResizeBicubic: // Keys' kernel with a = -3/4
		for k := low - 1; k <= low+2; k++ {
			d, w := math.Abs(center-float64(k)), 0.
			if d <= 1 {
				w = 1.25*d*d*d - 2.25*d*d + 1
			} else {
				w = -.75*d*d*d + 3.75*d*d - 6*d + 3
			}
			all = append(all, sample{inside(k), w})
		}
	case graph.ResizeArea:
		from, to := i*in/out, ((i+1)*in+out-1)/out
		for k := from; k < to; k++ {
			all = append(all, sample{k, 1 / float64(to-from)})
		}
	}
	return all
}

// nearest64 finds the rows of book that are nearest to the vectors z of d numbers.
func nearest64(z, book []float64, d int, y []float64) {
	for i := range y {
		least := math.Inf(1)
		for k := range len(book) / d {
			var distance float64
			for c := range d {
				distance += (z[i*d+c] - book[k*d+c]) * (z[i*d+c] - book[k*d+c])
			}
			if distance < least {
				least, y[i] = distance, float64(k)
			}
		}
	}
}
