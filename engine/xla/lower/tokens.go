package lower

import (
	"math"

	"github.com/ldm-go/ldm/graph"
)

// matchTokens ranks the sources by comparing each with each, which needs no sorting: the
// rank of one is the number of those that are more similar to their destinations, or as
// similar and earlier.
func (l *lowering) matchTokens(n *graph.Node, op graph.MatchTokens) val {
	x := l.in(n, 0)
	count, s, c := x.shape[0], x.shape[1], x.shape[2]
	unit := l.mul(x, l.spread(l.unary("rsqrt", l.keep("add", l.mul(x, x), 2)), x.shape))
	cells := l.reshape(unit, count, op.H/2, 2, op.W/2, 2, c)
	targets := l.reshape(l.slice(l.slice(cells, 2, op.Top, 1, 1), 4, op.Left, 1, 1), count, s/4, c)
	cosine := l.dotExact(unit, targets, pairs{[]int{0}, []int{0}}, pairs{[]int{2}, []int{2}})
	cosine = l.choose(l.compare("EQ", cosine, cosine), cosine, l.fill(math.Inf(-1), cosine.typ)) // NaN is like nothing
	best := l.reduce("maximum", cosine, 2)
	index := l.iota(2, cosine.shape...)
	first := l.choose(l.compare("GE", cosine, l.spread(best, cosine.shape, 0, 1)), index, l.fill(float64(s), index.typ))
	target := l.reduce("minimum", first, 2)

	stay := op.Sources() - op.Merged
	sources, places := make([]float64, s), make([]float64, s)
	k := 0
	for i := range s {
		if i/op.W%2 == op.Top && i%op.W%2 == op.Left {
			places[i] = float64(stay + k)
			k++
		} else {
			sources[i] = 1
		}
	}
	all, each := graph.Shape{count, s}, graph.Shape{count, s, s} // token, and another one
	source := l.compare("GT", l.table(sources, "f32", s), l.scalar(0, "f32"))
	own, other := l.spread(best, each, 0, 1), l.spread(best, each, 0, 2)
	earlier := l.compare("LT", l.iota(2, each...), l.iota(1, each...))
	higher := l.binary("or", l.compare("GT", other, own), l.binary("and", l.compare("EQ", other, own), earlier))
	rank := l.counted(l.binary("and", higher, l.spread(source, each, 2)))
	merged := l.binary("and", l.compare("LT", rank, l.scalar(float64(op.Merged), "i32")), l.spread(source, all, 1))
	stays := l.binary("and", l.unary("not", merged), l.spread(source, all, 1))
	before := l.counted(l.binary("and", l.spread(stays, each, 0, 2), earlier))
	fixed := l.spread(l.convert(l.table(places, "f32", s), "i32"), all, 1)
	return l.choose(merged, l.affine(target, 1, float64(stay)), l.choose(stays, before, fixed))
}

// counted is how often a value holds along the last axis.
func (l *lowering) counted(x val) val {
	return l.reduce("add", l.convert(x, "i32"), len(x.shape)-1)
}

// rowsOf numbers places of all pictures through, for so many places of each.
func (l *lowering) rowsOf(place val, places int) val {
	n := place.shape[0]
	return l.reshape(l.add(place, l.affine(l.iota(0, place.shape...), float64(places), 0)), n*place.shape[1])
}

// mergeTokens adds the tokens of each place up, and divides by their number.
func (l *lowering) mergeTokens(n *graph.Node, op graph.MergeTokens) val {
	x, place := l.in(n, 0), l.in(n, 1)
	count, s, c := x.shape[0], x.shape[1], x.shape[2]
	rows := l.rowsOf(place, op.Places)
	sums := l.scatterAdd(rows, l.reshape(x, count*s, c), count*op.Places)
	numbers := l.scatterAdd(rows, l.fill(1, f32(count*s, 1)), count*op.Places)
	mean := l.div(sums, l.spread(l.binary("maximum", numbers, l.scalar(1, "f32")), sums.shape))
	return l.reshape(mean, count, op.Places, c)
}

// unmergeTokens looks each token's place up.
func (l *lowering) unmergeTokens(n *graph.Node) val {
	x, place := l.in(n, 0), l.in(n, 1)
	count, places, c := x.shape[0], x.shape[1], x.shape[2]
	rows := l.gather(l.reshape(x, count*places, c), l.rowsOf(place, places))
	return l.reshape(rows, count, place.shape[1], c)
}
