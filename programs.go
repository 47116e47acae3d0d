package ldm

import (
	"context"
	"slices"
	"sync"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
)

// cache bounds what programs keep beside the one in use.
const (
	cachePrograms = 8
	cacheBytes    = 1 << 30
)

// turn lets one program of a model run at a time: each of them uses the whole
// device.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn, or for ctx.
func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }

// programs compiles one network for every shape it is asked for, and keeps those
// used last.
type programs struct {
	options Options
	weights engine.Weights
	turn    turn
	build   func(g *graph.Graph, shape size) graph.Value

	mu   sync.Mutex
	made []*made // the one used last comes first
}

func newPrograms(opt Options, w engine.Weights, t turn, build func(*graph.Graph, size) graph.Value) *programs {
	return &programs{options: opt, weights: w, turn: t, build: build}
}

type made struct {
	shape size
	engine.Program
}

// use runs f on the program for a shape, alone on the device.
func (p *programs) use(ctx context.Context, shape size, f func(engine.Program) error) error {
	if err := p.turn.take(ctx); err != nil {
		return err
	}
	defer p.turn.give()
	prog, err := p.get(shape)
	if err != nil {
		return err
	}
	return f(prog)
}

// prepare compiles the program for a shape.
func (p *programs) prepare(ctx context.Context, shape size) error {
	return p.use(ctx, shape, func(engine.Program) error { return nil })
}

// get returns the program for a shape, compiled where it is not kept.
func (p *programs) get(shape size) (engine.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.made, func(m *made) bool { return m.shape == shape }); i >= 0 {
		m := p.made[i]
		p.made = slices.Insert(slices.Delete(p.made, i, i+1), 0, m)
		return m.Program, nil
	}
	if p.options.Engine == nil {
		return nil, fault.Inputf("the options name no engine: want the one that loaded the weights")
	}
	g := graph.New()
	output := p.build(g, shape)
	if err := g.Err(); err != nil {
		return nil, err
	}
	prog, err := p.options.Engine.Compile(g, []graph.Value{output}, p.weights, p.options.compile())
	if err != nil {
		return nil, err
	}
	p.made = slices.Insert(p.made, 0, &made{shape, prog})
	p.trim()
	return prog, nil
}

// trim drops programs that were not used for long.
func (p *programs) trim() {
	var bytes int64
	keep := len(p.made)
	for i, m := range p.made {
		if bytes += m.PeakBytes(); i > 0 && (bytes > cacheBytes || i >= cachePrograms) {
			keep = min(keep, i)
		}
	}
	for _, m := range p.made[keep:] {
		m.Close()
	}
	p.made = slices.Delete(p.made, keep, len(p.made))
}

func (p *programs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.made {
		m.Close()
	}
	p.made = nil
}
