package cpu

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Program is a compiled graph; see engine.Program.
type Program struct {
	pool    *pool
	inputs  map[string]*tensor.Tensor
	outputs []*tensor.Tensor
	steps   []*step
	packing []par.Phase // of frozen weights, before the first run
	packed  int         // phases of it that are done
	staging []float32   // memory for it: the arena, which holds nothing yet
	misfit  error       // why a weight cannot be packed
	peak    int64
	failed  atomic.Pointer[indexError]
	profile []time.Duration
	values  func(graph.Value) []float32
	halves  map[graph.Value]bool // those in bfloat16
}

// indexError is an index outside of a table.
type indexError struct {
	where       string
	index, size int
}

func (e *indexError) Error() string {
	return fmt.Sprintf("%s: index %d: want 0 to %d", e.where, e.index, e.size-1)
}

// link binds the steps to their memory.
func (p *Program) link(c *compiler, steps []*step, places map[graph.Value]*place, arena []float32, outputs []graph.Value) {
	memory := func(pl *place) []float32 {
		pl = pl.at()
		if pl.own != nil || pl.ints != nil {
			return pl.own
		}
		return arena[pl.offset:][:pl.size:pl.size]
	}
	p.halves = c.fused.halves
	p.values = func(v graph.Value) []float32 {
		m := memory(places[v])
		return m[:min(v.Shape().Size(), len(m))] // the place may have grown
	}
	ints := func(v graph.Value) []int32 {
		if v.Type().DType != graph.Int32 {
			return nil
		}
		if own := places[v].at().ints; own != nil {
			return own
		}
		return intsOf(p.values(v))
	}
	p.peak += int64(len(arena)) * 4
	p.staging = arena
	makers := map[graph.Value]*step{}
	for _, s := range steps {
		b := &binding{}
		for _, v := range s.inputs {
			b.in = append(b.in, p.values(v))
			b.ints = append(b.ints, ints(v))
		}
		for _, v := range s.outputs {
			b.out = append(b.out, p.values(v))
			b.outInts = append(b.outInts, ints(v))
		}
		if s.scratchAt != nil {
			b.scratch = memory(s.scratchAt)
		}
		if _, ok := s.node.Op.(graph.SquaredNorm); ok {
			s.phases = bindSquares(s, b, makers)
		} else {
			s.phases = s.bind(b)
		}
		s.bind = nil
		for _, v := range s.outputs {
			makers[v] = s
		}
	}
	p.steps = p.mergeUpdates(steps)
	for _, v := range outputs {
		if v.Type().DType == graph.Int32 {
			p.outputs = append(p.outputs, &tensor.Tensor{Shape: v.Shape(), I32: ints(v)})
			continue
		}
		p.outputs = append(p.outputs, tensor.Of(p.values(v), v.Shape()...))
	}
}

// Input implements engine.Program.
func (p *Program) Input(name string) *tensor.Tensor { return p.inputs[name] }

// Output implements engine.Program.
func (p *Program) Output(i int) *tensor.Tensor { return p.outputs[i] }

// Refresh implements engine.Program.
func (p *Program) Refresh() {
	p.pool.Lock()
	defer p.pool.Unlock()
	p.packed, p.misfit = 0, nil
}

// PeakBytes implements engine.Program.
func (p *Program) PeakBytes() int64 { return p.peak }

// Close implements engine.Program. The threads belong to the engine, and packAhead
// may still wait for them: the pool stays as it is.
func (p *Program) Close() {
	p.pool.Lock()
	defer p.pool.Unlock()
	p.inputs, p.outputs, p.values, p.profile = nil, nil, nil, nil
	p.steps, p.staging = nil, nil
	p.packing, p.packed = nil, 0
}

// Run implements engine.Program.
func (p *Program) Run() error {
	p.pool.Lock()
	defer p.pool.Unlock()
	if err := p.pack(); err != nil {
		return err
	}
	if p.profile != nil {
		for i, s := range p.steps {
			start := time.Now()
			p.pool.Run(s.phases)
			p.profile[i] += time.Since(start)
		}
		return p.failure()
	}
	for _, s := range p.steps {
		p.pool.Run(s.phases)
	}
	return p.failure()
}

// failure is an error that a task of the last run met.
func (p *Program) failure() error {
	if e := p.failed.Swap(nil); e != nil {
		return e
	}
	return nil
}

// pack does what is left of packing.
func (p *Program) pack() error {
	for p.packOne() {
	}
	return p.misfit
}

// packOne does one phase of packing, if there is one left.
func (p *Program) packOne() bool {
	if p.packed == len(p.packing) {
		return false
	}
	p.pool.RunPhase(&p.packing[p.packed])
	p.packed++
	return true
}

// packAhead packs while the threads have nothing else to do: other programs may run
// between any two phases, and a run of this one does the rest.
func (p *Program) packAhead() {
	for more := true; more; {
		p.pool.Lock()
		more = p.packOne()
		p.pool.Unlock()
	}
}

// FindNonFinite implements engine.Program.
func (p *Program) FindNonFinite() (string, error) {
	p.pool.Lock()
	defer p.pool.Unlock()
	if err := p.pack(); err != nil {
		return "", err
	}
	for name, t := range p.inputs {
		if !finite(t.F32) {
			return "input " + name, nil
		}
	}
	for _, s := range p.steps {
		if s.update {
			continue
		}
		for _, v := range s.inputs {
			if op, ok := v.Node.Op.(graph.Param); ok && !finite(p.values(v)) {
				return "parameter " + op.Name, nil
			}
		}
		p.pool.Run(s.phases)
		if err := p.failure(); err != nil {
			return "", err
		}
		for _, v := range s.outputs {
			ok := v.Type().DType != graph.Float32
			switch {
			case ok:
			case p.halves[v]:
				ok = finiteHalves(tensor.Halves(p.values(v))[:v.Shape().Size()])
			default:
				ok = finite(p.values(v))
			}
			if !ok {
				return s.name, nil
			}
		}
	}
	return "", nil
}

func finiteHalves(x []uint16) bool {
	for _, v := range x {
		if v&0x7f80 == 0x7f80 {
			return false
		}
	}
	return true
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}

// StepCost is the time of one step since profiling began.
type StepCost struct {
	Name, Op, Algorithm string
	Time                time.Duration
	Flops               int64 // of one run
}

// StartProfile begins to measure the time of every step.
func (p *Program) StartProfile() { p.profile = make([]time.Duration, len(p.steps)) }

// Profile lists the steps with their times, zero before StartProfile.
func (p *Program) Profile() []StepCost {
	var all []StepCost
	for i, s := range p.steps {
		cost := StepCost{Name: s.name, Op: s.op, Algorithm: s.algorithm, Flops: s.flops}
		if p.profile != nil {
			cost.Time = p.profile[i]
		}
		all = append(all, cost)
	}
	return all
}

func opName(n *graph.Node) string { return fmt.Sprintf("%T", n.Op)[len("graph."):] }
