package cpu

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// store is what all views of some weights have in common.
//
// Two locks guard it: that of the pool the numbers, which programs, packing and Push
// read and write; and mu what there is: the fields of cells, their layouts, and who
// uses them.
type store struct {
	pool    *pool
	opt     engine.LoadOptions
	mu      sync.Mutex
	bytes   atomic.Int64 // that were taken
	version uint64       // changes so far; with the pool's lock
}

// cell is one parameter.
//
// Its value is a tensor that was given to Load or Push, perhaps in a mapped file, and
// that is never written to unless a program updates it. Programs read it packed, in
// one of its layouts, or as it is, in home.
type cell struct {
	store   *store
	name    string // at Load
	value   atomic.Pointer[tensor.Tensor]
	home    []float32   // whose address programs know; a copy of the value, or its memory if updated
	updated bool        // by some program
	reread  atomic.Bool // some program reads or writes the value itself
	version uint64      // changes so far; with the pool's lock
	packed  map[layoutKey]*layout
}

// weights implements engine.Weights: a view of a store.
type weights struct {
	*store
	cells map[string]*cell
	view  bool
}

// Names implements engine.Weights.
func (w *weights) Names() []string { return slices.Sorted(maps.Keys(w.cells)) }

// Pull implements engine.Weights.
func (w *weights) Pull(names ...string) (engine.Vars, error) {
	if len(names) == 0 {
		names = w.Names()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(engine.Vars, len(names))
	for _, name := range names {
		c := w.cells[name]
		if c == nil {
			return nil, fault.Inputf("there is no parameter %q", name)
		}
		out[name] = c.value.Load()
	}
	return out, nil
}

// Push implements engine.Weights.
func (w *weights) Push(vars engine.Vars) (err error) {
	w.pool.locked(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for name, t := range vars {
			if err = w.fits(name, t); err != nil {
				return
			}
		}
		for name, t := range vars {
			w.cells[name].set(t)
		}
	})
	return err
}

// fits tells whether t can be the value of a parameter.
func (w *weights) fits(name string, t *tensor.Tensor) error {
	c := w.cells[name]
	switch {
	case c == nil:
		return fault.Inputf("there is no parameter %q", name)
	case t == nil || t.I32 != nil:
		return fault.Inputf("%s: want numbers of float32, float16 or bfloat16", name)
	case !t.Shape.Equal(c.shape()):
		return fault.Inputf("%s is %v, want %v", name, t.Shape, c.shape())
	}
	return nil
}

func (c *cell) shape() tensor.Shape { return c.value.Load().Shape }

// set replaces the value.
func (c *cell) set(t *tensor.Tensor) {
	if !c.updated {
		c.value.Store(t)
	}
	if c.home != nil {
		fill32(c.home, t)
	}
	c.changed()
}

// changed makes packed copies stale.
func (c *cell) changed() {
	c.version++
	c.store.version++
}

// fill32 copies numbers, widened if they have 16 bits.
func fill32(dst []float32, t *tensor.Tensor) {
	if t.Half != nil {
		t.Format.Widen(dst, t.Half)
		return
	}
	copy(dst, t.F32)
}

// readable is memory of float32 that holds the value at any time. Its address stays.
func (c *cell) readable() []float32 {
	if c.home == nil {
		c.home = tensor.Memory[float32](c.shape().Size())
		fill32(c.home, c.value.Load())
		c.store.bytes.Add(int64(len(c.home)) * 4)
		c.released()
	}
	return c.home
}

// writable is that memory, for a program that updates it.
func (c *cell) writable() []float32 {
	c.updated = true
	c.reread.Store(true)
	if c.home == nil {
		c.home = c.value.Load().F32
	} else {
		c.value.Store(tensor.Of(c.home, c.shape()...))
	}
	return c.home
}

// released says that the value's tensor is not read for now.
func (c *cell) released() {
	if f := c.store.opt.Released; f != nil && !c.reread.Load() {
		f(c.name)
	}
}

// Renamed implements engine.Weights.
func (w *weights) Renamed(from map[string]string) (engine.Weights, error) {
	cells := maps.Clone(w.cells)
	for name, of := range from {
		c := w.cells[of]
		if c == nil {
			return nil, fault.Inputf("there is no parameter %q to take the place of %q", of, name)
		}
		cells[name] = c
	}
	return &weights{w.store, cells, true}, nil
}

// Bytes implements engine.Weights.
func (w *weights) Bytes() int64 {
	return w.bytes.Load()
}

// Close implements engine.Weights.
func (w *weights) Close() {
	if w.view {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cells)
	w.bytes.Store(0)
}
