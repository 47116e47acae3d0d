package lower

import (
	"sort"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Array is an array of a device that holds parameters: one, in its own shape, or
// several, one behind the other. Those that a training step updates together lie
// together, which makes of hundreds of updates one, and of their arrays four.
type Array struct {
	Places []*Place
	Format tensor.Format
	// Split is for several devices: each holds its part of the array alone.
	Split bool
	// Size is the number of elements of an array of several parameters, with what is
	// added so that it can be split; 0: the array has its parameter's shape.
	Size int
}

// Place is where a parameter lies.
type Place struct {
	*Array
	Offset int
	Shape  graph.Shape // as the graph has it
	// HWIO is the order of a filter's axes in the array. The graph's is [O, C, KH, KW].
	HWIO bool
}

// Stored is the shape in the array.
func (p *Place) Stored() graph.Shape {
	if s := p.Shape; p.HWIO {
		return graph.Shape{s[2], s[3], s[1], s[0]}
	}
	return p.Shape
}

// typ is the type of the array's argument.
func (a *Array) typ() typ {
	elem := [...]string{"f32", "f16", "bf16"}[a.Format]
	if a.Size > 0 {
		return typ{elem, graph.Shape{a.Size}}
	}
	return typ{elem, a.Places[0].Stored()}
}

// Shape is that of the array's argument.
func (a *Array) Shape() graph.Shape { return a.typ().shape }

// Plan is how parameters should lie for a graph.
type Plan struct {
	Params  map[string]bool // those that are used
	Filters map[string]bool // those whose order is best HWIO
	Updated map[string]bool
	// Blocks are the parameters that are updated by one rule, in order; Moments are
	// those blocks that nothing but updates reads.
	Blocks  [][]string
	Moments map[int]bool
}

// Live are the nodes that outputs need, in order.
func Live(g *graph.Graph, outputs []graph.Value) []*graph.Node {
	need := map[*graph.Node]bool{}
	for _, v := range outputs {
		need[v.Node] = true
	}
	var live []*graph.Node
	all := g.Nodes()
	for i := len(all) - 1; i >= 0; i-- {
		if !need[all[i]] {
			continue
		}
		live = append(live, all[i])
		for _, v := range all[i].Inputs {
			need[v.Node] = true
		}
	}
	sort.Slice(live, func(i, j int) bool { return live[i].ID < live[j].ID })
	return live
}

// rule is what the updates of a block have in common.
type rule struct {
	op      graph.Op
	scalars [3]graph.Value
}

func ruleOf(n *graph.Node) (r rule, ok bool) {
	switch op := n.Op.(type) {
	case graph.AdamW:
		return rule{op, [3]graph.Value(n.Inputs[4:7])}, true
	case graph.EMA:
		return rule{op, [3]graph.Value{n.Inputs[2], n.Inputs[3]}}, true
	}
	return r, false
}

// paramName is the name of a parameter, or "".
func paramName(v graph.Value) string {
	if op, ok := v.Node.Op.(graph.Param); ok {
		return op.Name
	}
	return ""
}

// PlanOf plans the parameters of a graph.
func PlanOf(nodes []*graph.Node) *Plan {
	p := &Plan{Params: map[string]bool{}, Filters: map[string]bool{}, Updated: map[string]bool{}, Moments: map[int]bool{}}
	filter := func(v graph.Value) {
		if s := v.Shape(); paramName(v) != "" && len(s) == 4 && s[2]*s[3] > 1 {
			p.Filters[paramName(v)] = true
		}
	}
	order := []rule{}
	columns := map[rule][][]string{}
	for _, n := range nodes {
		switch op := n.Op.(type) {
		case graph.Param:
			p.Params[op.Name] = true
		case graph.Conv2D, graph.Conv2DGradX:
			filter(n.Inputs[1])
		}
		r, ok := ruleOf(n)
		if !ok {
			continue
		}
		written := n.Inputs[:len(written(n))]
		if columns[r] == nil {
			order, columns[r] = append(order, r), make([][]string, len(written))
		}
		for i, v := range written {
			filter(v)
			p.Updated[paramName(v)] = true
			columns[r][i] = append(columns[r][i], paramName(v))
		}
	}
	for _, r := range order {
		for i, names := range columns[r] {
			if _, adam := r.op.(graph.AdamW); !adam || i > 0 {
				p.Moments[len(p.Blocks)] = true
			}
			p.Blocks = append(p.Blocks, names)
		}
	}
	return p
}

// written are the parameters that an update writes.
func written(n *graph.Node) []graph.Value {
	switch n.Op.(type) {
	case graph.AdamW:
		return n.Inputs[:3]
	case graph.EMA:
		return n.Inputs[:1]
	}
	return nil
}
