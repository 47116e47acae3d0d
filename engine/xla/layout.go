package xla

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/ldm-go/ldm/engine/xla/lower"
	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/tensor"
)

// check wants every parameter of a plan to be there with its shape.
func (w *weights) check(shapes map[string]tensor.Shape, plan *lower.Plan) error {
	var bad []string
	for name, shape := range shapes {
		switch c := w.cells[name]; {
		case c == nil:
			bad = append(bad, name+" is missing")
		case !c.shape.Equal(shape):
			bad = append(bad, fmt.Sprintf("%s is %v, want %v", name, c.shape, shape))
		case plan.Updated[name] && c.host != nil && c.host.Half != nil:
			bad = append(bad, fmt.Sprintf("%s is held as %s, which cannot be trained", name, c.host.Format))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	more := ""
	if n := len(bad) - 10; n > 0 {
		bad, more = bad[:10], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("parameters do not fit the network: %s%s", strings.Join(bad, "; "), more)
}

// arrange gives places to the parameters of a plan and their numbers to the devices. It
// is called with the lock.
func (w *weights) arrange(plan *lower.Plan) error {
	for i, names := range plan.Blocks {
		if err := w.block(names, plan, plan.Moments[i]); err != nil {
			return err
		}
	}
	for name := range plan.Params {
		if c := w.cells[name]; c.place == nil {
			w.alone(c, plan.Filters[name], plan.Updated[name])
		}
	}
	for name := range plan.Params {
		a := w.cells[name].place.Array
		if w.arrays[a] != nil {
			continue
		}
		buffers, err := w.upload(a)
		if err != nil {
			return err
		}
		w.arrays[a] = buffers
	}
	for name := range plan.Params {
		c := w.cells[name]
		if plan.Updated[name] {
			c.host = nil // the device's numbers are those that count
		} else if f := w.opt.Released; f != nil {
			f(c.name)
		}
	}
	return nil
}

// alone gives a parameter an array of its own.
func (w *weights) alone(c *cell, filter, updated bool) {
	a := &lower.Array{}
	if c.host != nil && c.host.Half != nil && w.opt.Hold != tensor.F32 && !updated {
		a.Format = c.host.Format
	}
	c.place = &lower.Place{Array: a, Shape: c.shape, HWIO: filter}
	a.Places = []*lower.Place{c.place}
	w.owners[c.place] = c
}

// block lays parameters one behind the other, unless one of them lies so already. What
// lies alone on the device moves there.
func (w *weights) block(names []string, plan *lower.Plan, moments bool) error {
	seen := map[*cell]bool{}
	for _, name := range names {
		c := w.cells[name]
		if c.place != nil && c.place.Array.Size > 0 || seen[c] {
			return nil
		}
		seen[c] = true
	}
	read := reader{w.store, map[*lower.Array][]float32{}}
	devices := len(w.engine.devices)
	a := &lower.Array{Split: moments && devices > 1}
	for _, name := range names {
		c := w.cells[name]
		filter := plan.Filters[name]
		if c.place != nil {
			t, err := read.value(c)
			if err != nil {
				return err
			}
			c.host, filter = t, c.place.HWIO
			w.displace(c)
		}
		c.place = &lower.Place{Array: a, Offset: a.Size, Shape: c.shape, HWIO: filter}
		w.owners[c.place] = c
		a.Places = append(a.Places, c.place)
		a.Size += c.shape.Size()
	}
	a.Size = (a.Size + devices - 1) / devices * devices
	return nil
}

// upload makes an array on all devices of its parameters' numbers on the host.
func (w *store) upload(a *lower.Array) ([]*pjrt.Buffer, error) {
	e, shape := w.engine, a.Shape()
	var data unsafe.Pointer
	format := pjrt.Float32
	if a.Format != tensor.F32 {
		format = [...]pjrt.Type{tensor.F16: pjrt.Float16, tensor.BF16: pjrt.BFloat16}[a.Format]
		raw := foldHalves(w.owners[a.Places[0]])
		data = unsafe.Pointer(unsafe.SliceData(raw))
	} else {
		raw := w.numbers(a)
		data = unsafe.Pointer(unsafe.SliceData(raw))
	}
	n := len(e.devices)
	var list []*pjrt.Buffer
	for i, d := range e.devices {
		part, from := shape, data
		if a.Split {
			part = tensor.Shape{shape[0] / n}
			from = unsafe.Add(data, i*part[0]*4)
		}
		b, err := e.client.Upload(from, format, part, d)
		if err != nil {
			closeAll(list)
			return nil, e.failure(err)
		}
		list = append(list, b)
	}
	return list, nil
}

// numbers are those of an array of float32. Of a parameter that lies alone, in the
// graph's order, they are not copied.
func (w *store) numbers(a *lower.Array) []float32 {
	if c := w.owners[a.Places[0]]; a.Size == 0 && !c.place.HWIO && c.host.Half == nil {
		return c.host.F32
	}
	raw := make([]float32, a.Shape().Size())
	for _, p := range a.Places {
		fold(raw[p.Offset:][:p.Shape.Size()], w.owners[p].host.Float32().F32, p)
	}
	return raw
}

// foldHalves are the numbers of 16 bits of a parameter in its array's order.
func foldHalves(c *cell) []uint16 {
	if !c.place.HWIO {
		return c.host.Half
	}
	raw := make([]uint16, len(c.host.Half))
	reorder(c.place, func(i, j int) { raw[j] = c.host.Half[i] })
	return raw
}
