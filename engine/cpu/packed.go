package cpu

import (
	"context"
	"fmt"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/tensor"
)

// layoutKey names an order of packed weights, and how they are held.
type layoutKey struct {
	order string
	words int
	hold  tensor.Format
}

// layout is a packed copy of a parameter that no step changes. All programs that
// want it in this order share it.
type layout struct {
	key     layoutKey
	cell    *cell
	data    gemm.Weights
	users   int    // programs
	version uint64 // of the parameter, that is packed; with the pool's lock
	misfit  error  // why it cannot be packed; with the pool's lock
}

// frozen is a layout as one program uses it.
type frozen struct {
	*layout
	plan *gemm.Plan // that packs it
}

// words is the room of the packed weight, in whole cache lines.
func (k layoutKey) room() int { return roundUp((k.words*k.hold.Bytes()+3)/4, align) }

// freeze tells which layout of a parameter a product reads.
func (c *compiler) freeze(name string, plan *gemm.Plan) layoutKey {
	key := layoutKey{plan.Layout(), plan.PackedLen, tensor.F32}
	if plan.HalfLen > 0 {
		key.hold = c.weights.opt.Hold
	}
	cell := c.weights.cells[name]
	c.staging = max(c.staging, plan.PackScratch(key.hold, cell.value.Load().Format))
	if cell.packed[key] == nil && !c.wanted[wantedLayout{cell, key}] {
		c.wanted[wantedLayout{cell, key}] = true
		c.packedLen += key.room()
	}
	return key
}

// wantedLayout is a layout that the program adds.
type wantedLayout struct {
	*cell
	layoutKey
}

// use gives a program its layout of a parameter. The new ones lie side by side, so that
// large pages hold nothing else.
func (c *compiler) use(name string, key layoutKey, plan *gemm.Plan) gemm.Weights {
	cell := c.weights.cells[name]
	l := cell.packed[key]
	if l == nil {
		if c.packed == nil {
			c.packed = tensor.Memory[float32](c.packedLen)
		}
		room := c.packed[:key.room():key.room()]
		c.packed = c.packed[key.room():]
		l = &layout{key: key, cell: cell, version: ^uint64(0)}
		if key.hold == tensor.F32 {
			l.data.F32 = room[:key.words]
		} else {
			l.data = gemm.Weights{Half: tensor.Halves(room)[:key.words], Format: key.hold}
		}
		cell.packed[key] = l
		cell.store.bytes.Add(int64(key.room()) * 4)
	}
	for _, f := range c.prog.frozen {
		if f.layout == l {
			return l.data
		}
	}
	l.users++
	c.prog.frozen = append(c.prog.frozen, frozen{l, plan})
	return l.data
}

// drop ends a program's use of a layout.
func (l *layout) drop() {
	if l.users--; l.users == 0 {
		delete(l.cell.packed, l.key)
		tensor.Release(l.data.F32)
		tensor.Release(l.data.Half)
		l.cell.store.bytes.Add(-int64(l.key.room()) * 4)
	}
}

// pack packs the weight if it has changed since.
func (f frozen) pack(ctx context.Context, pool *pool, staging []float32) error {
	cell := f.cell
	if f.version == cell.version {
		return f.misfit
	}
	t := cell.value.Load()
	raw := gemm.Weights{F32: t.F32, Half: t.Half, Format: t.Format}
	if n := f.plan.PackScratch(f.key.hold, raw.Format); n > len(staging) { // of a format that was pushed
		staging = tensor.Memory[float32](n)
	}
	if err := pool.RunUntil(ctx, f.plan.Pack(f.data, raw, staging)); err != nil {
		return err
	}
	f.version, f.misfit = cell.version, nil
	if f.key.hold == tensor.F16 {
		f.misfit = f.check()
	}
	cell.released()
	return f.misfit
}

// check refuses weights that are too large for half precision.
func (f frozen) check() error {
	for _, h := range f.data.Half {
		if h&0x7c00 == 0x7c00 {
			return fmt.Errorf("%s has numbers beyond 65504, too large for f16: want bf16 or f32", f.cell.name)
		}
	}
	return nil
}
