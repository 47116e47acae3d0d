// Package cpu computes graphs on the processor: it fuses and plans a graph
// once, and then runs it without allocating.
//
// compile.go turns nodes into steps: fuse.go joins some, remake.go repeats some in
// the gradient. memory.go gives their values buffers in one arena, shared by
// liveness; lower.go binds every operation to its kernels; program.go runs the
// result.
package cpu

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// step is one or several fused nodes.
type step struct {
	node     *graph.Node
	op, name string // its operation, and that with its layer
	inputs   []graph.Value
	outputs  []graph.Value
	lowered
	scratchAt *buffer
	phases    []par.Phase
}

// lowered is an operation made ready for its shapes.
type lowered struct {
	scratch   int    // float32 words
	inPlace   []int  // inputs whose buffer the first output may take
	grows     bool   // also where the output is larger than they are
	alone     bool   // but not where another input lies there, too
	algorithm string // of products
	flops     int64
	update    bool  // writes parameters
	unread    []int // inputs that, if parameters, are not read themselves: packed, looked up
	bind      func(b *binding) []par.Phase
}

// binding is the memory of a step.
type binding struct {
	in      [][]float32
	ints    [][]int32 // of int32 inputs
	out     [][]float32
	outInts [][]int32 // of int32 outputs
	scratch []float32
}

// compiler holds what lowering needs to know.
type compiler struct {
	g         *graph.Graph
	opt       engine.Options
	prec      gemm.Precision
	workers   int
	weights   *weights
	updated   map[*graph.Node]bool // parameters written by the graph
	uses      map[graph.Value]int
	prog      *Program
	fused     fusions
	smalls    []*gemm.Small // of every worker
	staging   int           // words that packing needs
	wanted    map[wantedLayout]bool
	packed    []float32 // room for new layouts, what is left of packedLen words
	packedLen int
	read      map[*graph.Node]bool // parameters that are read themselves
}

// Compile implements engine.Engine.
func (e *Engine) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	if opt.Precision == engine.TF32 {
		return nil, fault.Unsupportedf("precision tf32 is for accelerators: the processor computes in f32 or bf16")
	}
	own, err := e.own(w)
	if err != nil {
		return nil, err
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	c := &compiler{
		g: g, opt: opt, workers: e.pool.Workers(), weights: own,
		updated: map[*graph.Node]bool{}, uses: map[graph.Value]int{}, read: map[*graph.Node]bool{}, wanted: map[wantedLayout]bool{},
		prog: &Program{pool: e.pool, store: own.store, inputs: map[string]*tensor.Tensor{}},
	}
	switch {
	case opt.Precision == engine.BF16:
		c.prec = gemm.BF16
	case opt.Exact:
		c.prec = gemm.Exact
	}
	nodes := c.live(outputs)
	if err := c.checkParams(nodes); err != nil {
		return nil, err
	}
	if err := c.checkSizes(nodes); err != nil {
		return nil, err
	}
	steps, err := c.steps(nodes)
	if err != nil {
		return nil, err
	}
	if err := c.layOut(steps, outputs); err != nil {
		return nil, err
	}
	if !e.opt.Lazy && len(c.prog.frozen) > 0 {
		go c.prog.packAhead(c.prog.frozen, c.prog.staging)
	}
	return c.prog, nil
}

// own are weights of this engine.
func (e *Engine) own(w engine.Weights) (*weights, error) {
	if w == nil {
		return e.weights(0), nil
	}
	own, ok := w.(*weights)
	if !ok || own.pool != e.pool {
		return nil, errors.New("the weights belong to another engine")
	}
	return own, nil
}

// live lists the nodes that outputs need, counts the uses of their values, and
// notes which parameters are updated.
func (c *compiler) live(outputs []graph.Value) []*graph.Node {
	need := map[*graph.Node]bool{}
	for _, v := range outputs {
		need[v.Node] = true
		c.uses[v]++
	}
	all := c.g.Nodes()
	var nodes []*graph.Node
	for i := len(all) - 1; i >= 0; i-- {
		n := all[i]
		if !need[n] {
			continue
		}
		nodes = append(nodes, n)
		for _, v := range n.Inputs {
			need[v.Node] = true
			c.uses[v]++
		}
		switch n.Op.(type) {
		case graph.AdamW:
			for _, v := range n.Inputs[:3] {
				c.updated[v.Node] = true
			}
		case graph.EMA:
			c.updated[n.Inputs[0].Node] = true
		}
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
	return nodes
}

// checkParams wants every parameter to be there with its shape.
func (c *compiler) checkParams(nodes []*graph.Node) error {
	var bad []string
	for _, n := range nodes {
		op, ok := n.Op.(graph.Param)
		if !ok {
			continue
		}
		cell := c.weights.cells[op.Name]
		if cell == nil {
			bad = append(bad, op.Name+" is missing")
			continue
		}
		switch t := cell.value.Load(); {
		case !t.Shape.Equal(op.Shape):
			bad = append(bad, fmt.Sprintf("%s is %v, want %v", op.Name, t.Shape, op.Shape))
		case t.Half != nil && c.updated[n]:
			bad = append(bad, fmt.Sprintf("%s is held as %s, which cannot be trained", op.Name, t.Format))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	more := ""
	if n := len(bad) - 10; n > 0 {
		bad, more = bad[:10], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("parameters do not fit the network: %s%s", strings.Join(bad, "; "), more)
}

// steps lowers the nodes, as they are fused.
func (c *compiler) steps(nodes []*graph.Node) ([]*step, error) {
	c.fuse(nodes)
	var steps []*step
	for _, n := range nodes {
		if c.fused.inside[n] {
			continue
		}
		s, err := c.step(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		steps = append(steps, s)
	}
	return c.remake(steps)
}

// step lowers one node, with those that it is fused with.
func (c *compiler) step(n *graph.Node) (s *step, err error) {
	s = &step{node: n, op: opName(n), name: n.Name(), inputs: c.inputs(n)}
	for k := range n.Out {
		s.outputs = append(s.outputs, n.Output(k))
	}
	if f := c.fused.feeds[n]; f != nil {
		return c.feedForwardStep(n, f, nil), nil
	}
	if f := c.fused.feedGrads[n]; f != nil {
		return c.feedForwardGradStep(f), nil
	}
	if sum, ok := c.fused.sums[n]; ok {
		if f := c.fused.feeds[sum.product]; f != nil {
			return c.feedForwardStep(n, f, []graph.Value{sum.add}), nil
		}
		s.inputs = append(c.inputs(sum.product), sum.add)
		s.name = sum.product.Name()
		s.lowered, err = c.lowerProduct(sum.product, productOptions{add: true})
		s.inPlace, s.alone = []int{len(s.inputs) - 1}, true
		return s, err
	}
	if product := c.fused.gated[n]; product != nil {
		s.inputs = c.inputs(product)
		s.name = product.Name()
		s.lowered, err = c.lowerProduct(product, productOptions{geglu: true, half: c.fused.halves[n.Output(0)]})
		return s, err
	}
	s.lowered, err = c.lower(n)
	return s, err
}
