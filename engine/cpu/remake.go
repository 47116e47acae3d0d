package cpu

import (
	"slices"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/graph"
)

// remake computes results anew where the gradient wants them, in place of keeping
// them since the forward pass (Chen et al., arXiv 1604.06174): those that cost
// little beside the memory they take, and whose inputs are there anyway. These are
// GEGLU, as large as all of its layer's other activations together, LayerNorm, and
// GroupNorm in bfloat16, where as much memory is a larger part of what others need.
func (c *compiler) remake(steps []*step) ([]*step, error) {
	last := map[graph.Value]int{} // step that reads a value last
	for i, s := range steps {
		for _, v := range s.inputs {
			last[v] = i
		}
	}
	before := map[int][]*step{} // steps to be put before another
	for _, s := range steps {
		if !c.remakes(s.node) {
			continue
		}
		y := s.outputs[0]
		again := afterGap(steps, y)
		if again < 0 || last[s.inputs[0]] < again {
			continue
		}
		copied := *s.node
		if add := c.fused.shifted[s.node]; add != nil {
			c.fused.shifted[&copied] = add
		}
		twin, err := c.step(&copied)
		if err != nil {
			return nil, err
		}
		for _, user := range steps[again:] {
			for k, v := range user.inputs {
				if v == y {
					user.inputs[k] = copied.Output(0)
				}
			}
		}
		before[again] = append(before[again], twin)
	}
	var all []*step
	for i, s := range steps {
		all = append(append(all, before[i]...), s)
	}
	return all, nil
}

func (c *compiler) remakes(n *graph.Node) bool {
	switch n.Op.(type) {
	case graph.GEGLU:
		return c.fused.gated[n] == nil
	case graph.LayerNorm:
		return true
	case graph.GroupNorm:
		return c.prec == gemm.BF16
	}
	return false
}

// afterGap is the step that reads a value again after others have gone on for
// long, as the backward pass does; -1 if there is none.
func afterGap(steps []*step, v graph.Value) int {
	const long = 12 // steps
	before := -1
	for i, s := range steps {
		if !slices.Contains(s.inputs, v) {
			continue
		}
		if before >= 0 && i-before > long {
			return i
		}
		before = i
	}
	return -1
}
