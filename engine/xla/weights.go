package xla

import (
	"errors"
	"maps"
	"slices"
	"unsafe"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla/lower"
	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// store is what all views of some weights have in common. Whoever has its lock may read
// and write the rest, and run programs over it.
type store struct {
	lock
	engine *Engine
	opt    engine.LoadOptions
	arrays map[*lower.Array][]*pjrt.Buffer // on each device
	owners map[*lower.Place]*cell
	layout int // changes of where parameters lie
}

// cell is one parameter. Its numbers are those of host, or, where that is nil, those on
// the device.
type cell struct {
	name  string
	shape tensor.Shape
	host  *tensor.Tensor
	place *lower.Place
}

// weights implements engine.Weights: a view of a store.
type weights struct {
	*store
	cells map[string]*cell
	view  bool
}

func (e *Engine) weights(n int) *weights {
	return &weights{store: &store{lock: make(lock, 1), engine: e, arrays: map[*lower.Array][]*pjrt.Buffer{}, owners: map[*lower.Place]*cell{}}, cells: make(map[string]*cell, n)}
}

// own are weights of this engine.
func (e *Engine) own(w engine.Weights) (*weights, error) {
	if w == nil {
		return e.weights(0), nil
	}
	own, ok := w.(*weights)
	if !ok || own.engine != e {
		return nil, errors.New("the weights belong to another engine")
	}
	return own, nil
}

// Names implements engine.Weights.
func (w *weights) Names() []string { return slices.Sorted(maps.Keys(w.cells)) }

// Pull implements engine.Weights.
func (w *weights) Pull(names ...string) (engine.Vars, error) {
	w.mustTake()
	defer w.free()
	if len(names) == 0 {
		names = w.Names()
	}
	out, read := make(engine.Vars, len(names)), reader{w.store, map[*lower.Array][]float32{}}
	for _, name := range names {
		c := w.cells[name]
		if c == nil {
			return nil, fault.Inputf("there is no parameter %q", name)
		}
		t, err := read.value(c)
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// reader copies arrays to the host, each once.
type reader struct {
	*store
	done map[*lower.Array][]float32
}

// value is a parameter as it is now.
func (r reader) value(c *cell) (*tensor.Tensor, error) {
	if c.host != nil {
		return c.host, nil
	}
	a := c.place.Array
	if r.done[a] == nil {
		all := make([]float32, a.Shape().Size())
		buffers := r.arrays[a]
		if !a.Split {
			buffers = buffers[:1]
		}
		part := len(all) / len(buffers)
		for i, b := range buffers {
			if err := b.Download(unsafe.Pointer(&all[i*part]), part*4); err != nil {
				return nil, r.engine.failure(err)
			}
		}
		r.done[a] = all
	}
	t := tensor.New(c.shape...)
	unfold(t.F32, r.done[a][c.place.Offset:][:len(t.F32)], c.place)
	return t, nil
}

// Push implements engine.Weights.
func (w *weights) Push(vars engine.Vars) error {
	w.mustTake()
	defer w.free()
	for name, t := range vars {
		c := w.cells[name]
		switch {
		case c == nil:
			return fault.Inputf("there is no parameter %q", name)
		case t == nil || t.I32 != nil:
			return fault.Inputf("%s: want numbers of float32, float16 or bfloat16", name)
		case !t.Shape.Equal(c.shape):
			return fault.Inputf("%s is %v, want %v", name, t.Shape, c.shape)
		}
	}
	stale := map[*lower.Array]bool{}
	read := reader{w.store, map[*lower.Array][]float32{}}
	for name, t := range vars {
		c := w.cells[name]
		if c.place == nil {
			continue
		}
		a := c.place.Array
		if a.Format != tensor.F32 && (t.Half == nil || t.Format != a.Format) { // lies elsewhere from now on
			w.displace(c)
			continue
		}
		stale[a] = true
		for _, p := range a.Places { // what lies beside
			if beside := w.owners[p]; beside.host == nil {
				now, err := read.value(beside)
				if err != nil {
					return err
				}
				beside.host = now
			}
		}
	}
	before := map[*cell]*tensor.Tensor{}
	for name, t := range vars {
		c := w.cells[name]
		before[c] = c.host
		c.host = t
	}
	fresh := map[*lower.Array][]*pjrt.Buffer{}
	for a := range stale {
		buffers, err := w.upload(a)
		if err != nil {
			for c, t := range before {
				c.host = t
			}
			for _, list := range fresh {
				closeAll(list)
			}
			return err
		}
		fresh[a] = buffers
	}
	for a, list := range fresh {
		closeAll(w.arrays[a])
		w.arrays[a] = list
	}
	return nil
}

// displace takes the place of a parameter that lies alone.
func (w *store) displace(c *cell) {
	closeAll(w.arrays[c.place.Array])
	delete(w.arrays, c.place.Array)
	delete(w.owners, c.place)
	c.place = nil
	w.layout++
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

// Bytes implements engine.Weights: the memory on all devices.
func (w *weights) Bytes() (n int64) {
	w.mustTake()
	defer w.free()
	for a, list := range w.arrays {
		size := int64(a.Shape().Size() * a.Format.Bytes())
		if !a.Split {
			size *= int64(len(list))
		}
		n += size
	}
	return n
}

// Close implements engine.Weights.
func (w *weights) Close() {
	if w.view {
		return
	}
	w.mustTake()
	defer w.free()
	for _, list := range w.arrays {
		closeAll(list)
	}
	clear(w.arrays)
	clear(w.owners)
	clear(w.cells)
}

func closeAll(list []*pjrt.Buffer) {
	for _, b := range list {
		b.Close()
	}
}

// fold copies numbers to the order that they have in an array, and unfold back.
func fold(dst, src []float32, p *lower.Place) {
	if !p.HWIO {
		copy(dst, src)
		return
	}
	reorder(p, func(i, j int) { dst[j] = src[i] })
}

func unfold(dst, src []float32, p *lower.Place) {
	if !p.HWIO {
		copy(dst, src)
		return
	}
	reorder(p, func(i, j int) { dst[i] = src[j] })
}

// reorder calls move for every element of a filter with its index in the graph's order,
// [O, C, KH, KW], and in the array's, [KH, KW, C, O].
func reorder(p *lower.Place, move func(i, j int)) {
	o, c, n := p.Shape[0], p.Shape[1], p.Shape[2]*p.Shape[3]
	for a := range o {
		for b := range c {
			for k := range n {
				move((a*c+b)*n+k, (k*c+b)*o+a)
			}
		}
	}
}
