package lower

import (
	"math"

	"github.com/ldm-go/ldm/graph"
)

func (l *lowering) upsample(x val, f int) val {
	s := x.shape
	y := l.spread(x, graph.Shape{s[0], s[1], f, s[2], f, s[3]}, 0, 1, 3, 5)
	return l.reshape(y, s[0], s[1]*f, s[2]*f, s[3])
}

func (l *lowering) avgPool(x val, f int) val {
	s := x.shape
	y := l.reduce("add", l.reshape(x, s[0], s[1]/f, f, s[2]/f, f, s[3]), 2, 4)
	return l.affine(y, 1/float64(f*f), 0)
}

// views are the pixels at each place of all windows.
func (l *lowering) views(x val, kernel, stride int, out graph.Shape) []val {
	var all []val
	for i := range kernel * kernel {
		rows := l.slice(x, 1, i/kernel, out[1], stride)
		all = append(all, l.slice(rows, 2, i%kernel, out[2], stride))
	}
	return all
}

func (l *lowering) maxPool(n *graph.Node, op graph.MaxPool) val {
	all := l.views(l.in(n, 0), op.Kernel, op.Stride, n.Out[0].Shape)
	y := all[0]
	for _, v := range all[1:] {
		y = l.binary("maximum", y, v)
	}
	return y
}

// maxPoolGrad gives dy to the first place of each window that has the maximum.
func (l *lowering) maxPoolGrad(n *graph.Node, op graph.MaxPoolGrad) val {
	x, y, dy := l.in(n, 0), l.in(n, 1), l.in(n, 2)
	left := dy // what no place has taken yet
	zero := l.fill(0, dy.typ)
	var sum val
	for i, v := range l.views(x, op.Kernel, op.Stride, y.shape) {
		hit := l.compare("EQ", v, y)
		part := l.choose(hit, left, zero)
		left = l.choose(hit, zero, left)
		for k, from := range []int{i / op.Kernel, i % op.Kernel} {
			axis := k + 1
			after := x.shape[axis] - from - (y.shape[axis]-1)*op.Stride - 1
			part = l.pad(part, axis, from, after, op.Stride-1)
		}
		if i > 0 {
			part = l.add(sum, part)
		}
		sum = part
	}
	return sum
}

// resize multiplies rows, and then columns, with the matrix of what each pixel of the
// result is made of.
func (l *lowering) resize(n *graph.Node, op graph.Resize) val {
	x, s, out := l.in(n, 0), n.Inputs[0].Shape(), n.Out[0].Shape
	rows := l.spread(l.table(taps(op, s[1], out[1]), "f32", out[1], s[1]), graph.Shape{s[0], out[1], s[1]})
	y := l.dotExact(rows, l.reshape(x, s[0], s[1], s[2]*s[3]), pairs{[]int{0}, []int{0}}, pairs{[]int{2}, []int{1}})
	lines := s[0] * out[1]
	cols := l.spread(l.table(taps(op, s[2], out[2]), "f32", out[2], s[2]), graph.Shape{lines, out[2], s[2]})
	y = l.dotExact(cols, l.reshape(y, lines, s[2], s[3]), pairs{[]int{0}, []int{0}}, pairs{[]int{2}, []int{1}})
	return l.reshape(y, out...)
}

// taps is the matrix [out, in] of one direction; see graph.Resize.
func taps(op graph.Resize, in, out int) []float64 {
	m := make([]float64, out*in)
	for i := range out {
		put := func(at int, weight float64) { m[i*in+min(max(at, 0), in-1)] += weight }
		center := (float64(i)+.5)/op.Scale - .5
		switch op.Method {
		case graph.ResizeNearest:
			put(int(float64(i)/op.Scale), 1)
		case graph.ResizeBilinear:
			low := math.Floor(max(center, 0))
			f := max(center, 0) - low
			put(int(low), 1-f)
			put(int(low)+1, f)
		case graph.ResizeBicubic:
			low := math.Floor(center)
			for k := low - 1; k <= low+2; k++ {
				put(int(k), keys(center-k))
			}
		case graph.ResizeArea:
			from, to := i*in/out, ((i+1)*in+out-1)/out
			for k := from; k < to; k++ {
				put(k, 1/float64(to-from))
			}
		}
	}
	return m
}

// keys is the convolution kernel of Keys with a = -¾.
func keys(d float64) float64 {
	const a = -.75
	d = math.Abs(d)
	if d <= 1 {
		return ((a+2)*d-(a+3))*d*d + 1
	}
	return a * (((d-5)*d+8)*d - 4)
}
