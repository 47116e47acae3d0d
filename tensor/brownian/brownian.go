// Package brownian holds paths of Brownian motion that can be looked at anywhere,
// in any order, and are the same however they are looked at: virtual trees (Gaines
// and Lyons 1997; Li et al., arXiv 2001.01328, section 4).
package brownian

import "math"

// Path is a path of independent components. Values in the middle of an interval are
// drawn from what is known at its ends, halving until a time asked for is an end.
type Path struct {
	draw  Draw
	round func(float64) float64
	nodes []node // those that lead to the last time asked for, the first one over all
	value []float32
	fresh []float32
}

// Draw fills dst with normal draws that depend on the place in the tree alone: node
// key, from 0, of the 2^depth at that depth; at depth -1 the draws for the whole.
type Draw func(dst []float32, key uint64, depth int)

// node is an interval with the path's increment over it.
type node struct {
	from, to float64
	key      uint64
	before   []float32 // the path's value at from
	over     []float32 // its increment from there to the end
}

// New is a path of n components between two times. All times go through round,
// which must leave the middle of a short interval at one of its ends.
func New(first, last float64, n int, round func(float64) float64, draw Draw) *Path {
	p := &Path{draw: draw, round: round, fresh: make([]float32, n), value: make([]float32, n)}
	whole := node{from: round(first), to: round(last), before: make([]float32, n), over: make([]float32, n)}
	draw(whole.over, 0, -1)
	length := float32(math.Sqrt(whole.to - whole.from))
	for i := range whole.over {
		whole.over[i] *= length
	}
	p.nodes = []node{whole}
	return p
}

// At is the path's value at a time between the first, where it is 0, and the last.
// It holds until the next call.
func (p *Path) At(time float64) []float32 {
	whole := p.nodes[0]
	time = min(max(p.round(time), whole.from), whole.to)
	depth := len(p.nodes)
	for depth > 1 && (time < p.nodes[depth-1].from || time > p.nodes[depth-1].to) {
		depth--
	}
	p.nodes = p.nodes[:depth]
	for {
		at := p.nodes[len(p.nodes)-1]
		if time == at.from {
			return at.before
		}
		if time == at.to {
			for i, v := range at.over {
				p.value[i] = at.before[i] + v
			}
			return p.value
		}
		p.halve(at, time)
	}
}

// halve adds the half of a node that has a time in it.
func (p *Path) halve(at node, time float64) {
	depth := len(p.nodes) - 1
	p.draw(p.fresh, at.key, depth)
	middle := p.round((at.from + at.to) / 2)
	share := float32((middle - at.from) / (at.to - at.from))
	deviation := float32(math.Sqrt((middle - at.from) * (at.to - middle) / (at.to - at.from)))
	half := p.room()
	right := time > middle
	if half.from, half.to, half.key = at.from, middle, 2*at.key; right {
		half.from, half.to, half.key = middle, at.to, 2*at.key+1
	}
	for i, v := range p.fresh {
		left := share*at.over[i] + deviation*v
		if right {
			half.before[i], half.over[i] = at.before[i]+left, at.over[i]-left
		} else {
			half.before[i], half.over[i] = at.before[i], left
		}
	}
}

// room is a new last node, in the memory of one that is no longer needed if there
// is one.
func (p *Path) room() *node {
	n := len(p.nodes)
	if n < cap(p.nodes) {
		p.nodes = p.nodes[:n+1]
	} else {
		p.nodes = append(p.nodes, node{})
	}
	half := &p.nodes[n]
	if half.before == nil {
		half.before, half.over = make([]float32, len(p.fresh)), make([]float32, len(p.fresh))
	}
	return half
}
