package lower

import (
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// update carries out one update for its parameters alone.
func (l *lowering) update(n *graph.Node) {
	places := make([]*Place, 0, 3)
	for _, v := range written(n) {
		places = append(places, l.places[paramName(v)])
	}
	old := make([]val, len(places))
	for i, p := range places {
		old[i] = l.param(p)
	}
	order := places[0].HWIO
	for i, p := range places[1:] {
		old[i+1] = l.ordered(value{old[i+1], p.HWIO}, order)
	}
	other := l.ordered(l.stored(n.Inputs[len(places)]), order)
	for i, v := range l.applyRule(n, old, other) {
		l.current[places[i]] = l.ordered(value{v, order}, places[i].HWIO)
		l.changed[places[i].Array] = true
	}
	l.set(n, 0, l.in(n, len(n.Inputs)-1))
}

// applyRule gives the new values of what an update writes.
func (l *lowering) applyRule(n *graph.Node, old []val, other val) []val {
	norm2 := l.in(n, len(n.Inputs)-1)
	var now []val
	switch op := n.Op.(type) {
	case graph.AdamW:
		now = l.adamW(op, old, other, l.in(n, 4), l.in(n, 5), norm2)
	case graph.EMA:
		decay := l.in(n, 2)
		now = []val{l.add(l.mul(old[0], decay), l.mul(other, l.affine(decay, -1, 1)))}
	}
	finite := l.line(typ{elem: "i1"}, "stablehlo.is_finite %s : (%s) -> tensor<i1>", norm2.id, norm2.typ)
	for i := range now {
		now[i] = l.line(now[i].typ, "stablehlo.select %s, %s, %s : %s, %s", finite.id, now[i].id, old[i].id, finite.typ, now[i].typ)
	}
	return now
}

// adamW is graph.AdamW. What is the same for all elements is computed in float64, as
// 1 - β₂ to the power of the first steps has but few digits in float32.
func (l *lowering) adamW(op graph.AdamW, old []val, grad, rate, step, norm2 val) []val {
	wide := func(v val) val { return l.convert(v, "f64") }
	narrow := func(v val) val { return l.convert(v, "f32") }
	one := func(x float32) val { return l.scalar(float64(x), "f64") }
	correction := func(beta float32) val {
		return l.affine(l.binary("power", one(beta), wide(step)), -1, 1)
	}
	if op.Clip > 0 {
		norm := l.unary("sqrt", wide(norm2))
		scale := l.binary("minimum", l.div(one(op.Clip), norm), one(1))
		grad = l.mul(grad, narrow(scale))
	}
	mix := func(old val, new val, beta float32) val {
		return l.add(l.affine(old, float64(beta), 0), l.affine(new, 1-float64(beta), 0))
	}
	m := mix(old[1], grad, op.Beta1)
	v := mix(old[2], l.mul(grad, grad), op.Beta2)
	decay := narrow(l.affine(wide(rate), -float64(op.Decay), 1))
	size := narrow(l.div(wide(rate), correction(op.Beta1)))
	scale := narrow(l.div(one(1), l.unary("sqrt", correction(op.Beta2))))
	below := l.affine(l.mul(l.unary("sqrt", v), scale), 1, float64(op.Eps))
	p := l.sub(l.mul(old[0], decay), l.div(l.mul(m, size), below))
	return []val{p, m, v}
}

// updates carries out all of them behind the rest of the graph, those of one rule at
// once where their arrays hold just what the rule writes.
func (l *lowering) updates(nodes []*graph.Node) {
	for len(nodes) > 0 {
		rule, _ := ruleOf(nodes[0])
		var these, rest []*graph.Node
		for _, n := range nodes {
			if r, _ := ruleOf(n); r == rule {
				these = append(these, n)
			} else {
				rest = append(rest, n)
			}
		}
		if !l.together(these) {
			for _, n := range these {
				l.update(n)
			}
		}
		nodes = rest
	}
}

// together updates whole arrays, if they hold the parameters of all nodes in order.
func (l *lowering) together(nodes []*graph.Node) bool {
	first := nodes[0]
	var arrays []*Array
	for i := range written(first) {
		a := l.places[paramName(first.Inputs[i])].Array
		if a.Size == 0 || !l.holds(a, nodes, i) {
			return false
		}
		arrays = append(arrays, a)
	}
	for i, p := range arrays[0].Places { // all in the same order of axes
		for _, a := range arrays[1:] {
			if a.Places[i].HWIO != p.HWIO || a.Size != arrays[0].Size {
				return false
			}
		}
	}
	old := make([]val, len(arrays))
	for i, a := range arrays {
		old[i] = l.whole(a)
	}
	other, ok := l.others(nodes, len(arrays), arrays[0])
	if !ok {
		return false
	}
	for i, v := range l.applyRule(first, old, other) {
		a := arrays[i]
		l.wholes[a], l.changed[a] = v, true
		for _, p := range a.Places {
			delete(l.current, p)
		}
	}
	for _, n := range nodes {
		l.set(n, 0, l.in(n, len(n.Inputs)-1))
	}
	return true
}

// holds tells whether an array's parameters are input i of the nodes, in order.
func (l *lowering) holds(a *Array, nodes []*graph.Node, i int) bool {
	if len(a.Places) != len(nodes) {
		return false
	}
	for k, n := range nodes {
		if l.places[paramName(n.Inputs[i])] != a.Places[k] {
			return false
		}
	}
	return true
}

// others is input i of all nodes in one array, in the order of like: another array as it
// is, or values one behind the other.
func (l *lowering) others(nodes []*graph.Node, i int, like *Array) (val, bool) {
	if p := l.places[paramName(nodes[0].Inputs[i])]; p != nil && p.Array.Size == like.Size && l.holds(p.Array, nodes, i) {
		for k, q := range p.Array.Places {
			if q.HWIO != like.Places[k].HWIO {
				return val{}, false
			}
		}
		return l.whole(p.Array), true
	}
	parts := make([]val, len(nodes))
	for k, n := range nodes {
		parts[k] = l.ordered(l.stored(n.Inputs[i]), like.Places[k].HWIO)
	}
	return l.flat(parts, like.Size), true
}

// flat lays values one behind the other, with zeros up to size.
func (l *lowering) flat(parts []val, size int) val {
	var key strings.Builder
	for _, p := range parts {
		key.WriteString(p.id)
	}
	all, ok := l.flats[key.String()]
	if !ok {
		lines := make([]val, len(parts))
		for i, p := range parts {
			lines[i] = l.reshape(p, p.shape.Size())
		}
		all = l.concat(0, lines...)
		l.flats[key.String()] = all
	}
	return l.pad(all, 0, 0, max(size-all.shape[0], 0), 0)
}

// line is the length of sums that are added up on their own: float32 loses digits in
// longer ones.
const line = 4096

// total adds all numbers up.
func (l *lowering) total(x val) val {
	n := x.shape.Size()
	x = l.reshape(x, n)
	if n > line {
		rows := (n + line - 1) / line
		x = l.reshape(l.pad(x, 0, 0, rows*line-n, 0), rows, line)
		return l.total(l.barrier(l.reduce("add", x, 1)))
	}
	return l.reduce("add", x, 0)
}

// squaredNorm is graph.SquaredNorm. Gradients are laid one behind the other as for their
// update.
func (l *lowering) squaredNorm(n *graph.Node) val {
	parts := make([]val, len(n.Inputs))
	for i, v := range n.Inputs {
		parts[i] = l.stored(v).val
	}
	all := l.flat(parts, 0)
	return l.total(l.mul(all, all))
}
