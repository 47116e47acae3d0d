package cpu

import (
	"sort"
	"unsafe"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// place is where a value lives: in the arena from its first to its last step,
// or in memory of its own.
type place struct {
	size        int // float32 words
	first, last int // steps
	offset      int
	own         []float32
	ints        []int32
	into        *place // whose memory is taken over
}

const (
	forever = int(^uint(0) >> 1)
	align   = 16 // float32 words: 64 bytes
)

// at follows takings-over.
func (p *place) at() *place {
	for p.into != nil {
		p = p.into
	}
	return p
}

// layOut gives all values their places and binds the steps.
func (c *compiler) layOut(steps []*step, outputs []graph.Value) {
	places := map[graph.Value]*place{}
	c.widen(steps, outputs)
	var kept []*step
	for _, s := range steps {
		if c.leaf(s.node, places) {
			continue
		}
		for k, t := range s.node.Out {
			p := &place{size: t.Shape.Size(), first: len(kept), last: len(kept)}
			if s.update { // passes its last input through
				p = places[s.inputs[len(s.inputs)-1]]
			}
			places[s.node.Output(k)] = p
		}
		for _, v := range s.inputs {
			places[v].last = len(kept)
		}
		kept = append(kept, s)
	}
	for _, v := range outputs {
		places[v].last = forever
	}
	takeOver(kept, places)
	memory := allocate(arenaOf(kept, places), len(kept), c.staging)
	c.prog.link(c, kept, places, memory, outputs)
}

// widen makes float32 copies of those parameters of 16 bits that more reads than
// packing: biases, norms, tables.
func (c *compiler) widen(steps []*step, outputs []graph.Value) {
	read := func(v graph.Value) {
		n := unshaped(v.Node)
		if op, ok := n.Op.(graph.Param); ok && c.vars[op.Name].Half != nil && c.wide[n] == nil {
			c.wide[n] = c.vars[op.Name].Float32().F32
			c.prog.peak += int64(len(c.wide[n])) * 4
		}
	}
	for _, s := range steps {
		switch s.node.Op.(type) {
		case graph.Reshape, graph.Detach: // the memory of another: see leaf
			continue
		}
		for k, v := range s.inputs {
			if k != 1 || !s.packsWeight {
				read(v)
			}
		}
	}
	for _, v := range outputs {
		read(v)
	}
}

// leaf places values that need no step: inputs, parameters, constants, and
// values that are another's memory in another shape.
func (c *compiler) leaf(n *graph.Node, places map[graph.Value]*place) bool {
	v := n.Output(0)
	switch op := n.Op.(type) {
	case graph.Input:
		t := &tensor.Tensor{Shape: op.Type.Shape}
		if op.Type.DType == graph.Int32 {
			t.I32 = make([]int32, op.Type.Shape.Size())
		} else {
			t.F32 = aligned(op.Type.Shape.Size())
		}
		c.prog.inputs[op.Name] = t
		places[v] = &place{own: t.F32, ints: t.I32}
	case graph.Param:
		places[v] = &place{own: c.vars[op.Name].F32}
		if wide := c.wide[n]; wide != nil {
			places[v].own = wide
		}
	case graph.Fill:
		constant := aligned(op.Shape.Size())
		for i := range constant {
			constant[i] = op.Value
		}
		places[v] = &place{own: constant}
	case graph.Reshape, graph.Detach:
		places[v] = places[n.Inputs[0]]
	default:
		return false
	}
	return true
}

// takeOver lets results use the memory of an input that dies at their step.
func takeOver(steps []*step, places map[graph.Value]*place) {
	for i, s := range steps {
		for _, k := range s.inPlace {
			from, to := places[s.inputs[k]].at(), places[s.node.Output(0)]
			if from.own != nil || from.last != i || from.size != to.size || from.first == i {
				continue
			}
			if s.fused && sharesPlace(s, k, from, places) {
				continue
			}
			to.into, from.last = from, to.last
			break
		}
	}
}

// sharesPlace tells whether another input of the step lies in the same memory.
func sharesPlace(s *step, k int, p *place, places map[graph.Value]*place) bool {
	for j, v := range s.inputs {
		if j != k && places[v].at() == p {
			return true
		}
	}
	return false
}

// arenaOf lists what needs a part of the arena, scratch memory among it.
func arenaOf(steps []*step, places map[graph.Value]*place) []*place {
	var all []*place
	for i, s := range steps {
		if !s.update {
			for k := range s.node.Out {
				if p := places[s.node.Output(k)]; p.into == nil {
					all = append(all, p)
				}
			}
		}
		if s.scratch > 0 {
			s.scratchAt = &place{size: s.scratch, first: i, last: i}
			all = append(all, s.scratchAt)
		}
	}
	return all
}

// allocate finds offsets by best fit, in the order of the steps, and returns
// the arena, of at least so many words.
func allocate(places []*place, steps, least int) []float32 {
	sort.SliceStable(places, func(i, j int) bool { return places[i].first < places[j].first })
	ends := map[int][]*place{}
	var free []span
	top := 0
	next := 0
	for i := range steps {
		for ; next < len(places) && places[next].first == i; next++ {
			p := places[next]
			need := roundUp(p.size, align)
			if at, ok := take(&free, need); ok {
				p.offset = at
			} else {
				p.offset = top
				top += need
			}
			ends[p.last] = append(ends[p.last], p)
		}
		for _, p := range ends[i] {
			free = give(free, span{p.offset, roundUp(p.size, align)})
		}
	}
	return aligned(max(top, least))
}

type span struct{ at, size int }

// take removes the smallest span that is large enough.
func take(free *[]span, size int) (int, bool) {
	best := -1
	for i, s := range *free {
		if s.size >= size && (best < 0 || s.size < (*free)[best].size) {
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	s := &(*free)[best]
	at := s.at
	s.at, s.size = s.at+size, s.size-size
	if s.size == 0 {
		*free = append((*free)[:best], (*free)[best+1:]...)
	}
	return at, true
}

// give returns a span, joining it with its neighbours.
func give(free []span, s span) []span {
	i := sort.Search(len(free), func(i int) bool { return free[i].at > s.at })
	free = append(free, span{})
	copy(free[i+1:], free[i:])
	free[i] = s
	if i+1 < len(free) && free[i].at+free[i].size == free[i+1].at {
		free[i].size += free[i+1].size
		free = append(free[:i+1], free[i+2:]...)
	}
	if i > 0 && free[i-1].at+free[i-1].size == free[i].at {
		free[i-1].size += free[i].size
		free = append(free[:i], free[i+1:]...)
	}
	return free
}

// aligned makes an array that starts on a 64-byte boundary.
func aligned(n int) []float32 {
	raw := make([]float32, n+align)
	skip := 0
	if r := int(uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % 64); r != 0 {
		skip = (64 - r) / 4
	}
	return raw[skip : skip+n : skip+n]
}

// intsOf is a word of memory read as int32, for values of that type.
func intsOf(words []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(words))), len(words))
}

func roundUp(a, b int) int { return (a + b - 1) / b * b }
