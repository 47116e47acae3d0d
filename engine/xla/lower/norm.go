package lower

import (
	"slices"

	"github.com/ldm-go/ldm/graph"
)

// rows are the numbers that are normalised together: x in a shape of which some axes
// are one norm's.
type rows struct {
	axes  []int // of one norm
	shape graph.Shape
	count float64 // numbers of one norm
}

// grouped lays a picture out as [N, pixels, groups, channels of a group].
func grouped(s graph.Shape, groups int) rows {
	c := s[len(s)-1]
	shape := graph.Shape{s[0], s.Size() / s[0] / c, groups, c / groups}
	return rows{[]int{1, 3}, shape, float64(shape[1] * shape[3])}
}

// lined is one norm for each row of the last axis.
func lined(s graph.Shape) rows {
	c := s[len(s)-1]
	return rows{[]int{1}, graph.Shape{s.Size() / c, c}, float64(c)}
}

// folded is the shape of one number for each norm.
func (r rows) folded() graph.Shape {
	s := slices.Clone(r.shape)
	for _, a := range r.axes {
		s[a] = 1
	}
	return s
}

// channel repeats a vector of channels.
func (l *lowering) channel(v val, r rows) val {
	if len(r.shape) == 4 {
		return l.spread(l.reshape(v, r.shape[2], r.shape[3]), r.shape)
	}
	return l.spread(v, r.shape)
}

// channelSum adds up all but the channels.
func (l *lowering) channelSum(v val, c int) val {
	axes := []int{0}
	if len(v.shape) == 4 {
		axes = []int{0, 1}
	}
	return l.reshape(l.reduce("add", v, axes...), c)
}

func (l *lowering) mean(x val, r rows) val {
	return l.affine(l.keep("add", x, r.axes...), 1/r.count, 0)
}

// norm is the normalised x, and [norms, 2] of mean and 1/√(variance + eps).
func (l *lowering) norm(x, gamma, beta val, r rows, eps float64) (y, stats val) {
	x = l.reshape(x, r.shape...)
	mean := l.mean(x, r)
	x = l.sub(x, l.spread(mean, r.shape))
	scale := l.unary("rsqrt", l.affine(l.mean(l.mul(x, x), r), 1, eps))
	y = l.add(l.mul(l.mul(x, l.spread(scale, r.shape)), l.channel(gamma, r)), l.channel(beta, r))
	n := r.folded().Size()
	return y, l.concat(1, l.reshape(mean, n, 1), l.reshape(scale, n, 1))
}

func (l *lowering) groupNorm(n *graph.Node, op graph.GroupNorm) {
	s := n.Inputs[0].Shape()
	y, stats := l.norm(l.in(n, 0), l.in(n, 1), l.in(n, 2), grouped(s, op.Groups), float64(op.Eps))
	if op.SiLU {
		y = l.silu(y)
	}
	l.set(n, 0, l.reshape(y, s...))
	l.set(n, 1, l.reshape(stats, s[0], op.Groups, 2))
}

func (l *lowering) layerNorm(n *graph.Node, op graph.LayerNorm) {
	s := n.Inputs[0].Shape()
	y, stats := l.norm(l.in(n, 0), l.in(n, 1), l.in(n, 2), lined(s), float64(op.Eps))
	l.set(n, 0, l.reshape(y, s...))
	l.set(n, 1, stats)
}

// normGrad sets dx, dgamma and dbeta. beta is needed where SiLU follows.
func (l *lowering) normGrad(n *graph.Node, r rows, gamma, stats, dy val, beta *val) {
	s := n.Inputs[0].Shape()
	c := s[len(s)-1]
	x, dy := l.reshape(l.in(n, 0), r.shape...), l.reshape(dy, r.shape...)
	stats = l.reshape(stats, r.folded().Size(), 2)
	stat := func(i int) val { return l.spread(l.reshape(l.slice(stats, 1, i, 1, 1), r.folded()...), r.shape) }
	scale := stat(1)
	x = l.mul(l.sub(x, stat(0)), scale)
	g := l.channel(gamma, r)
	if beta != nil {
		dy = l.mul(dy, l.siluSlope(l.add(l.mul(x, g), l.channel(*beta, r)), 1))
	}
	l.set(n, 1, l.channelSum(l.mul(dy, x), c))
	l.set(n, 2, l.channelSum(dy, c))
	d := l.mul(dy, g)
	along := l.mul(x, l.spread(l.mean(l.mul(d, x), r), r.shape))
	d = l.sub(l.sub(d, l.spread(l.mean(d, r), r.shape)), along)
	l.set(n, 0, l.reshape(l.mul(d, scale), s...))
}

func (l *lowering) groupNormGrad(n *graph.Node, op graph.GroupNormGrad) {
	var beta *val
	if op.SiLU {
		b := l.in(n, 2)
		beta = &b
	}
	l.normGrad(n, grouped(n.Inputs[0].Shape(), op.Groups), l.in(n, 1), l.in(n, 3), l.in(n, 4), beta)
}

func (l *lowering) layerNormGrad(n *graph.Node) {
	l.normGrad(n, lined(n.Inputs[0].Shape()), l.in(n, 1), l.in(n, 2), l.in(n, 3), nil)
}
