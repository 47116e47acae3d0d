package cpu

import (
	"math"
	"slices"
	"unsafe"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/tensor"
)

// buffer is where a value lives: in the arena from its first to its last step,
// or in memory of its own.
type buffer struct {
	size        int // float32 words
	first, last int // steps
	offset      int
	own         []float32
	ints        []int32
	into        *buffer // whose memory is taken over
}

const (
	forever = int(^uint(0) >> 1)
	align   = 16 // float32 words: 64 bytes
)

// at follows takings-over.
func (p *buffer) at() *buffer {
	for p.into != nil {
		p = p.into
	}
	return p
}

// layOut gives all values their buffers and binds the steps.
func (c *compiler) layOut(steps []*step, outputs []graph.Value) error {
	buffers := map[graph.Value]*buffer{}
	c.findRead(steps, outputs)
	var kept []*step
	for _, s := range steps {
		if c.leaf(s.node, buffers) {
			continue
		}
		for _, v := range s.outputs {
			p := &buffer{size: c.words(v), first: len(kept), last: len(kept)}
			if s.update { // passes its last input through
				p = buffers[s.inputs[len(s.inputs)-1]]
			}
			buffers[v] = p
		}
		for _, v := range s.inputs {
			buffers[v].last = len(kept)
		}
		kept = append(kept, s)
	}
	for _, v := range outputs {
		buffers[v].last = forever
	}
	takeOver(kept, buffers)
	top := arrange(arenaOf(kept, buffers))
	if err := c.checkMemory(max(top, c.staging)); err != nil {
		return err
	}
	c.prog.link(c, kept, buffers, tensor.Memory[float32](max(top, c.staging)), outputs)
	return nil
}

// limit is the memory that the program may add.
func (c *compiler) limit() int64 {
	if c.opt.MaxBytes > 0 {
		return c.opt.MaxBytes
	}
	if all := machine.Memory(); all > 0 {
		return all
	}
	return math.MaxInt64
}

// checkSizes refuses what cannot fit, before anything is planned for it: no value of
// many times the limit, and inputs and constants within it.
func (c *compiler) checkSizes(nodes []*graph.Node) error {
	const part = 16 // an enlarged picture is never made, nor is what is joined or summed on the way
	var own int64
	for _, n := range nodes {
		for _, t := range n.Out {
			if size := int64(t.Shape.Size()) * 4; size/part > c.limit() {
				return fault.Memoryf("%s: %d MiB for %v, and the program may take %d MiB", n.Name(), size>>20, t.Shape, c.limit()>>20)
			}
		}
		switch n.Op.(type) {
		case graph.Input, graph.Fill:
			own += int64(n.Out[0].Shape.Size()) * 4
		}
	}
	c.prog.peak = own
	return c.checkMemory(0)
}

// checkMemory refuses an arena of so many words, with inputs and new forms of
// weights, if that is more than the program may add.
func (c *compiler) checkMemory(arena int) error {
	if need := c.prog.peak + int64(arena+c.packedLen)*4; need > c.limit() {
		return fault.Memoryf("the program needs %d MiB, and may take %d MiB", need>>20, c.limit()>>20)
	}
	return nil
}

// findRead finds the parameters that are read themselves, by more than packing and
// looking up: biases and norms.
func (c *compiler) findRead(steps []*step, outputs []graph.Value) {
	read := func(v graph.Value) {
		if n := unshaped(v.Node); isParam(n) {
			c.read[n] = true
		}
	}
	for _, s := range steps {
		switch s.node.Op.(type) {
		case graph.Reshape, graph.Detach: // the memory of another: see leaf
			continue
		}
		for k, v := range s.inputs {
			if !slices.Contains(s.unread, k) {
				read(v)
			}
		}
	}
	for _, v := range outputs {
		read(v)
	}
}

func isParam(n *graph.Node) bool {
	_, ok := n.Op.(graph.Param)
	return ok
}

// param is the buffer of a parameter.
func (c *compiler) param(n *graph.Node) *buffer {
	cell := c.weights.cells[n.Op.(graph.Param).Name]
	switch {
	case c.updated[n]:
		c.prog.updates = append(c.prog.updates, cell)
		return &buffer{own: cell.writable()}
	case c.read[n]:
		return &buffer{own: cell.readable()}
	}
	return &buffer{own: []float32{}} // which no step reads
}

// leaf gives buffers to values that need no step: inputs, parameters, constants, and
// values that are another's memory in another shape.
func (c *compiler) leaf(n *graph.Node, buffers map[graph.Value]*buffer) bool {
	v := n.Output(0)
	switch op := n.Op.(type) {
	case graph.Input:
		t := &tensor.Tensor{Shape: op.Type.Shape}
		if op.Type.DType == graph.Int32 {
			t.I32 = make([]int32, op.Type.Shape.Size())
		} else {
			t.F32 = tensor.Memory[float32](op.Type.Shape.Size())
		}
		c.prog.inputs[op.Name] = t
		buffers[v] = &buffer{own: t.F32, ints: t.I32}
	case graph.Param:
		buffers[v] = c.param(n)
	case graph.Fill:
		constant := tensor.Memory[float32](op.Shape.Size())
		for i := range constant {
			constant[i] = op.Value
		}
		buffers[v] = &buffer{own: constant}
	case graph.Reshape, graph.Detach:
		buffers[v] = buffers[n.Inputs[0]]
	default:
		return false
	}
	return true
}

// takeOver lets results use the memory of an input that dies at their step.
func takeOver(steps []*step, buffers map[graph.Value]*buffer) {
	for i, s := range steps {
		for _, k := range s.inPlace {
			from, to := buffers[s.inputs[k]].at(), buffers[s.outputs[0]]
			if from.own != nil || from.last != i || from.first == i || !s.fits(i, from, to) {
				continue
			}
			if s.alone && sharesBuffer(s, k, from, buffers) {
				continue
			}
			to.into, from.last, from.size = from, to.last, to.size
			break
		}
	}
}

// fits tells whether an output may take over a buffer: one of its size or, if it can
// grow into it, a smaller one that no other step must hold larger than it needs.
func (s *step) fits(i int, from, to *buffer) bool {
	return from.size == to.size || s.grows && from.size < to.size && from.first == i-1
}

// sharesBuffer tells whether another input of the step lies in the same memory.
func sharesBuffer(s *step, k int, p *buffer, buffers map[graph.Value]*buffer) bool {
	for j, v := range s.inputs {
		if j != k && buffers[v].at() == p {
			return true
		}
	}
	return false
}

// arenaOf lists what needs a part of the arena, scratch memory among it.
func arenaOf(steps []*step, buffers map[graph.Value]*buffer) []*buffer {
	var all []*buffer
	for i, s := range steps {
		if !s.update {
			for _, v := range s.outputs {
				if p := buffers[v]; p.into == nil {
					all = append(all, p)
				}
			}
		}
		if s.scratch > 0 {
			s.scratchAt = &buffer{size: s.scratch, first: i, last: i}
			all = append(all, s.scratchAt)
		}
	}
	return all
}

// arrange finds offsets, the largest buffer first: each the lowest that is free for as
// long as the buffer is needed (Pisarchyk and Lee, arXiv 2001.03288, "greedy by size").
// It returns the words that all of them take.
func arrange(buffers []*buffer) (top int) {
	order := slices.Clone(buffers)
	slices.SortStableFunc(order, func(a, b *buffer) int { return b.size - a.size })
	done := make([]*buffer, 0, len(order)) // by offset
	for _, p := range order {
		p.offset = 0
		for _, q := range done {
			if q.last < p.first || p.last < q.first {
				continue
			}
			if q.offset-p.offset >= p.size {
				break
			}
			p.offset = max(p.offset, roundUp(q.offset+q.size, align))
		}
		top = max(top, roundUp(p.offset+p.size, align))
		i, _ := slices.BinarySearchFunc(done, p.offset, func(q *buffer, at int) int { return q.offset - at })
		done = slices.Insert(done, i, p)
	}
	return top
}

// intsOf is a word of memory read as int32, for values of that type.
func intsOf(words []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(words))), len(words))
}

func roundUp(a, b int) int { return (a + b - 1) / b * b }
