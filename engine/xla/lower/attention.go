package lower

import (
	"math"

	"github.com/ldm-go/ldm/graph"
)

// heads is what a layer of attention works on: q [N, T, H, D], k and v [N, S, H, D].
type heads struct {
	n, t, s, h, d int
	scale         float64
	causal        bool
}

func headsOf(q, k graph.Shape, op graph.Attention) heads {
	return heads{q[0], q[1], k[1], op.Heads, q[2] / op.Heads, float64(op.Scale), op.Causal}
}

// block is the number of queries that are taken together: all, or as many as have the
// scores that may be held at a time.
func (l *lowering) block(a heads) int {
	most := l.opt.Scores
	if most == 0 {
		most = 1 << 23
	}
	row := a.n * a.h * a.s
	if row*a.t <= most {
		return a.t
	}
	return min(max(most/row, 16), a.t)
}

// split lays the channels of the heads out.
func (l *lowering) split(x val, h int) val {
	return l.reshape(x, x.shape[0], x.shape[1], h, x.shape[2]/h)
}

// merge is [N, H, T, D] as [N, T, H·D].
func (l *lowering) merge(x val) val {
	s := x.shape
	return l.reshape(l.transpose(x, 0, 2, 1, 3), s[0], s[2], s[1]*s[3])
}

// scores are Scale·q·kᵀ [N, H, B, S] of a block of queries that begins at query start.
func (l *lowering) scores(a heads, q, k, start val) val {
	s := l.dot(q, k, pairs{[]int{0, 2}, []int{0, 2}}, pairs{[]int{3}, []int{3}})
	s = l.affine(s, a.scale, 0)
	if a.causal {
		b, n := s.shape[2], s.shape[3]
		row := l.add(l.iota(0, b, n), start)
		seen := l.compare("LE", l.iota(1, b, n), row)
		s = l.choose(l.spread(seen, s.shape), s, l.fill(math.Inf(-1), s.typ))
	}
	return s
}

// attend is y [N, B, H·D] and lse [N, H, B] of a block of queries.
func (l *lowering) attend(a heads, q, k, v, start val) (y, lse val) {
	s := l.scores(a, q, k, start)
	top := l.keep("maximum", s, 3)
	p := l.unary("exponential", l.sub(s, l.spread(top, s.shape)))
	sum := l.keep("add", p, 3)
	y = l.dot(l.div(p, l.spread(sum, p.shape)), v, pairs{[]int{0, 1}, []int{0, 2}}, pairs{[]int{3}, []int{1}})
	lse = l.add(top, l.unary("log", sum))
	return l.merge(y), l.reshape(lse, lse.shape[:3]...)
}

func (l *lowering) attention(n *graph.Node, op graph.Attention) {
	a := headsOf(n.Inputs[0].Shape(), n.Inputs[1].Shape(), op)
	q, k, v := l.split(l.in(n, 0), a.h), l.split(l.in(n, 1), a.h), l.split(l.in(n, 2), a.h)
	b := l.block(a)
	if b == a.t {
		y, lse := l.attend(a, q, k, v, l.scalar(0, "i32"))
		l.set(n, 0, y)
		l.set(n, 1, lse)
		return
	}
	padded := (a.t + b - 1) / b * b
	results := l.blocks(padded, b, []val{l.pad(q, 1, 0, padded-a.t, 0), k, v},
		[]val{l.fill(0, f32(a.n, padded, a.h*a.d)), l.fill(0, f32(a.n, a.h, padded))},
		func(start val, in, sums []val) []val {
			y, lse := l.attend(a, l.cut(in[0], 1, start, b), in[1], in[2], start)
			return []val{l.paste(sums[0], y, 1, start), l.paste(sums[1], lse, 2, start)}
		})
	l.set(n, 0, l.slice(results[0], 1, 0, a.t, 1))
	l.set(n, 1, l.slice(results[1], 2, 0, a.t, 1))
}

// attendGrad is dq [N, B, H·D], and a block's share of dk and dv [N, H, S, D].
func (l *lowering) attendGrad(a heads, q, k, v, lse, dy, start val) (dq, dk, dv val) {
	s := l.scores(a, q, k, start)
	p := l.unary("exponential", l.sub(s, l.spread(lse, s.shape, 0, 1, 2)))
	dv = l.dot(p, dy, pairs{[]int{0, 1}, []int{0, 2}}, pairs{[]int{2}, []int{1}})
	dp := l.dot(dy, v, pairs{[]int{0, 2}, []int{0, 2}}, pairs{[]int{3}, []int{3}})
	sum := l.keep("add", l.mul(p, dp), 3)
	ds := l.affine(l.mul(p, l.sub(dp, l.spread(sum, dp.shape))), a.scale, 0)
	dq = l.merge(l.dot(ds, k, pairs{[]int{0, 1}, []int{0, 2}}, pairs{[]int{3}, []int{1}}))
	dk = l.dot(ds, q, pairs{[]int{0, 1}, []int{0, 2}}, pairs{[]int{2}, []int{1}})
	return dq, dk, dv
}

func (l *lowering) attentionGrad(n *graph.Node, op graph.AttentionGrad) {
	a := headsOf(n.Inputs[0].Shape(), n.Inputs[1].Shape(), graph.Attention(op))
	q, k, v := l.split(l.in(n, 0), a.h), l.split(l.in(n, 1), a.h), l.split(l.in(n, 2), a.h)
	lse, dy := l.in(n, 4), l.split(l.in(n, 5), a.h)
	var dq, dk, dv val
	if b := l.block(a); b == a.t {
		dq, dk, dv = l.attendGrad(a, q, k, v, lse, dy, l.scalar(0, "i32"))
	} else {
		padded := (a.t + b - 1) / b * b // what is added has dy = 0, and changes nothing
		more := padded - a.t
		zeros := l.fill(0, f32(a.n, a.h, a.s, a.d))
		results := l.blocks(padded, b,
			[]val{l.pad(q, 1, 0, more, 0), k, v, l.pad(lse, 2, 0, more, 0), l.pad(dy, 1, 0, more, 0)},
			[]val{l.fill(0, f32(a.n, padded, a.h*a.d)), zeros, zeros},
			func(start val, in, sums []val) []val {
				q, lse, dy := l.cut(in[0], 1, start, b), l.cut(in[3], 2, start, b), l.cut(in[4], 1, start, b)
				dq, dk, dv := l.attendGrad(a, q, in[1], in[2], lse, dy, start)
				return []val{l.paste(sums[0], dq, 1, start), l.add(sums[1], dk), l.add(sums[2], dv)}
			})
		dq, dk, dv = l.slice(results[0], 1, 0, a.t, 1), results[1], results[2]
	}
	l.set(n, 0, dq)
	l.set(n, 1, l.merge(dk))
	l.set(n, 2, l.merge(dv))
}
