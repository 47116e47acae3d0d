package cpu

import (
	"fmt"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// frozen is a weight that no step changes: it is packed once, and its own memory
// is then not read again. Numbers of 16 bits are widened on the way, and may be
// narrowed again to stay so in memory; the products widen them as they go.
type frozen struct {
	name string
	raw  *tensor.Tensor
	plan *gemm.Plan
	hold tensor.Format
}

// freeze tells how a product's weight is packed.
func (c *compiler) freeze(name string, plan *gemm.Plan) frozen {
	f := frozen{name, c.vars[name], plan, tensor.F32}
	if plan.Halves {
		f.hold = c.opt.Hold
	}
	c.staging = max(c.staging, f.rawSize()+f.packedSize())
	return f
}

// rawSize and packedSize are the words of memory that packing takes for a moment.
func (f frozen) rawSize() int { return roundUp(len(f.raw.Half), align) }

func (f frozen) packedSize() int {
	if f.hold == tensor.F32 {
		return 0
	}
	return roundUp(f.plan.PackedLen, align)
}

// bind gives args the packed weight and has it packed before the first run.
func (f frozen) bind(c *compiler, args *gemm.Args) {
	p := c.prog
	w, packed := f.raw.F32, p.staging[f.rawSize():][:f.packedSize()]
	if f.raw.Half != nil {
		w = p.staging[:len(f.raw.Half)]
		p.packing = append(p.packing, pieces("widen", len(w), func(i, j int) { vec.Widen(f.raw.Format, w[i:j], f.raw.Half[i:j]) })...)
	}
	if f.hold == tensor.F32 {
		packed = aligned(f.plan.PackedLen)
		args.W = packed
	}
	p.packing = append(p.packing, f.plan.Pack(packed, w)...)
	p.peak += int64(f.plan.PackedLen) * 4
	if f.hold != tensor.F32 {
		half := make([]uint16, f.plan.PackedLen)
		args.W, args.Half, args.Format = nil, half, f.hold
		p.peak -= int64(f.plan.PackedLen) * 2
		p.packing = append(p.packing, pieces("narrow", len(half), func(i, j int) { vec.Narrow(f.hold, half[i:j], packed[i:j]) })...)
		p.packing = append(p.packing, par.Serial("check", func() { f.check(p, half) }))
	}
	if c.opt.Packed != nil {
		p.packing = append(p.packing, par.Serial("packed", func() { c.opt.Packed(f.name) }))
	}
}

// check refuses weights that are too large for half precision.
func (f frozen) check(p *Program, half []uint16) {
	if f.hold != tensor.F16 {
		return
	}
	for _, h := range half {
		if h&0x7c00 == 0x7c00 {
			p.misfit = fmt.Errorf("%s has numbers beyond 65504, too large for f16: want bf16 or f32", f.name)
			return
		}
	}
}
