package cpu

import (
	"context"
	"fmt"
	"runtime"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// Options of the processor's engine.
type Options struct {
	Threads int // < 1: one for every processor
	// Lazy packs weights at a program's first run, and not in the background from its
	// compilation on.
	Lazy bool
}

// Engine computes graphs on the processor. Its programs share its threads, and run
// one at a time.
type Engine struct {
	opt  Options
	pool *pool
}

// New returns an engine with its threads.
func New(opt Options) *Engine {
	p := &pool{free: make(chan struct{}, 1), Pool: par.NewPool(opt.Threads)}
	p.unlock()
	return &Engine{opt, p}
}

// pool is a set of threads that one goroutine has at a time, with the contents of all
// weights: whoever has it may read and write these.
type pool struct {
	free chan struct{}
	*par.Pool
}

// lock waits for the threads; once ctx is cancelled it returns ctx's error.
func (p *pool) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-p.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) unlock() { p.free <- struct{}{} }

// locked runs f while it has the threads.
func (p *pool) locked(f func()) {
	<-p.free
	defer p.unlock()
	f()
}

// String names what computes: engines of the same name compute the same bits.
func (e *Engine) String() string { return fmt.Sprintf("cpu %s %s", runtime.GOARCH, isa.Current()) }

func (e *Engine) weights(n int) *weights {
	return &weights{store: &store{pool: e.pool}, cells: make(map[string]*cell, n)}
}

// Load implements engine.Engine.
func (e *Engine) Load(vars engine.Vars, opt engine.LoadOptions) (engine.Weights, error) {
	w := e.weights(len(vars))
	w.opt = opt
	for name, t := range vars {
		c := &cell{store: w.store, name: name, packed: map[layoutKey]*layout{}}
		c.value.Store(t)
		w.cells[name] = c
	}
	return w, nil
}
