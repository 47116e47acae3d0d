package programs

import (
	"context"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
)

// Cache compiles one network for every shape that it is asked for. Its methods may be
// called from any goroutine.
type Cache[S comparable] struct {
	pool    *Pool
	compile func(S) (engine.Program, error)
	weights engine.Weights
	devices int          // that share a batch, if it is a multiple of it
	made    map[S]*entry // with the pool's lock
}

// NewCache returns the programs of a network over weights: build adds the network for
// a shape to a graph and returns its outputs.
func NewCache[S comparable](p *Pool, eng engine.Engine, w engine.Weights, opt engine.Options, build func(g *graph.Graph, shape S) []graph.Value) *Cache[S] {
	return &Cache[S]{pool: p, weights: w, devices: Devices(eng), made: map[S]*entry{}, compile: func(shape S) (engine.Program, error) {
		g := graph.New()
		outputs := build(g, shape)
		if err := g.Err(); err != nil {
			return nil, err
		}
		return eng.Compile(g, outputs, w, opt)
	}}
}

// Devices is how many devices of an engine share a batch whose rows they divide.
func Devices(eng engine.Engine) int {
	if several, ok := eng.(interface{ Devices() int }); ok {
		return several.Devices()
	}
	return 1
}

// Devices is how many devices share the rows of a batch.
func (c *Cache[S]) Devices() int { return c.devices }

// Use runs f with the program for a shape, which f alone has until it returns; others
// that want the same wait. A program is compiled at its first use, and again after it
// was dropped. f may use no cache of the same pool. Waiting ends with ctx's error.
func (c *Cache[S]) Use(ctx context.Context, shape S, f func(engine.Program) error) error {
	e, err := c.join(shape)
	if err != nil {
		return err
	}
	return c.pool.use(ctx, e, func() (engine.Program, error) { return c.compile(shape) }, f)
}

// Prepare compiles the program for a shape, if there is none.
func (c *Cache[S]) Prepare(ctx context.Context, shape S) error { return c.Use(ctx, shape, nil) }

// join finds or makes the entry for a shape.
func (c *Cache[S]) join(shape S) (*entry, error) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.pool.closed {
		return nil, ErrClosed
	}
	e := c.made[shape]
	if e == nil {
		e = &entry{lease: make(chan struct{}, 1), weights: c.weights, forget: func() { delete(c.made, shape) }}
		e.lease <- struct{}{}
		c.made[shape] = e
	}
	e.users++
	return e, nil
}
