package cpu

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Program is a compiled graph; see engine.Program.
type Program struct {
	pool    *pool
	inputs  map[string]*tensor.Tensor
	outputs []*tensor.Tensor
	steps   []*step
	store   *store
	frozen  []frozen  // weights that it reads packed
	updates []*cell   // weights that it changes
	staging []float32 // memory for packing: the arena, which holds nothing before a run
	version uint64    // of the store, that is packed
	begun   bool      // there was a run: the arena holds its results
	closed  atomic.Bool
	ahead   sync.Mutex // held while weights are packed in the background
	peak    int64
	failed  atomic.Pointer[indexError]
	profile []time.Duration
	values  func(graph.Value) []float32
	halves  map[graph.Value]bool // those in bfloat16
	params  map[string]*cell
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
func (p *Program) link(c *compiler, steps []*step, buffers map[graph.Value]*buffer, arena []float32, outputs []graph.Value) {
	memory := func(pl *buffer) []float32 {
		pl = pl.at()
		if pl.own != nil || pl.ints != nil {
			return pl.own
		}
		return arena[pl.offset:][:pl.size:pl.size]
	}
	p.halves, p.params = c.fused.halves, c.weights.cells
	p.values = func(v graph.Value) []float32 {
		m := memory(buffers[v])
		return m[:min(v.Shape().Size(), len(m))] // the buffer may have grown
	}
	ints := func(v graph.Value) []int32 {
		if v.Type().DType != graph.Int32 {
			return nil
		}
		if own := buffers[v].at().ints; own != nil {
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

// PeakBytes implements engine.Program.
func (p *Program) PeakBytes() int64 { return p.peak }

// Close implements engine.Program. The threads belong to the engine.
func (p *Program) Close() {
	if p.closed.Swap(true) {
		return
	}
	p.ahead.Lock() // what packs now still reads the arena
	defer p.ahead.Unlock()
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for _, f := range p.frozen {
		f.drop()
	}
	tensor.Release(p.staging)
	p.inputs, p.outputs, p.values, p.profile = nil, nil, nil, nil
	p.steps, p.frozen, p.updates, p.staging, p.params = nil, nil, nil, nil, nil
}

// Run implements engine.Program.
func (p *Program) Run(ctx context.Context) error {
	if p.closed.Load() {
		return errClosed
	}
	if err := p.pool.lock(ctx); err != nil {
		return err
	}
	defer p.pool.unlock()
	if err := p.pack(ctx); err != nil {
		return err
	}
	updating := false
	for i, s := range p.steps {
		if s.update && !updating {
			updating, ctx = true, always // half of the updates would be worse than all
			p.changes()
		}
		start := p.clock()
		if err := p.pool.RunUntil(ctx, s.phases); err != nil {
			p.failed.Store(nil)
			return err
		}
		if p.profile != nil {
			p.profile[i] += time.Since(start)
		}
	}
	return p.failure()
}

var (
	always    = context.Background()
	errClosed = errors.New("the program is closed")
)

// changes makes packed copies of the weights that the program updates stale.
func (p *Program) changes() {
	for _, c := range p.updates {
		c.changed()
	}
}

// failure is an error that a task of the last run met.
func (p *Program) failure() error {
	if e := p.failed.Swap(nil); e != nil {
		return e
	}
	return nil
}

// pack packs the weights that changed.
func (p *Program) pack(ctx context.Context) error {
	p.begun = true
	if p.version == p.store.version+1 {
		return nil
	}
	for _, f := range p.frozen {
		if err := f.pack(ctx, p.pool, p.staging); err != nil {
			return err
		}
	}
	p.version = p.store.version + 1
	return nil
}

// packAhead packs while the threads have nothing else to do: other programs may run
// after any weight, and the first run of this one does the rest.
func (p *Program) packAhead(all []frozen, staging []float32) {
	for _, f := range all {
		more := true
		p.pool.locked(func() {
			p.ahead.Lock()
			defer p.ahead.Unlock()
			if more = !p.begun && !p.closed.Load(); more {
				f.pack(always, p.pool, staging) // an error comes again with the run
			}
		})
		if !more {
			return
		}
	}
}

func opName(n *graph.Node) string { return fmt.Sprintf("%T", n.Op)[len("graph."):] }
