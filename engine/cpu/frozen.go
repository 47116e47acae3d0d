package cpu

import (
	"fmt"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
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
	if plan.HalfLen > 0 {
		f.hold = c.opt.Hold
	}
	c.packedLen += f.words()
	c.staging = max(c.staging, plan.PackScratch(f.hold, f.raw.Format))
	return f
}

func (f frozen) weights() gemm.Weights {
	return gemm.Weights{F32: f.raw.F32, Half: f.raw.Half, Format: f.raw.Format}
}

// words is the room of the packed weight, in whole cache lines.
func (f frozen) words() int { return roundUp((f.plan.PackedLen*f.hold.Bytes()+3)/4, align) }

// memory is where the packed weight will be. All of them lie in one piece, so that large
// pages hold nothing else.
func (f frozen) memory(c *compiler) gemm.Weights {
	if c.packed == nil {
		c.packed = tensor.Memory[float32](c.packedLen)
	}
	room := c.packed[:f.words()]
	c.packed = c.packed[f.words():]
	if f.hold == tensor.F32 {
		return gemm.Weights{F32: room[:f.plan.PackedLen]}
	}
	return gemm.Weights{Half: tensor.Halves(room)[:f.plan.PackedLen], Format: f.hold}
}

// bind gives args the packed weight and has it packed before the first run.
func (f frozen) bind(c *compiler, args *gemm.Args) {
	p, packed := c.prog, f.memory(c)
	args.W, args.Half, args.Format = packed.F32, packed.Half, packed.Format
	p.packing = append(p.packing, f.plan.Pack(packed, f.weights(), p.staging)...)
	p.peak += int64(f.plan.PackedLen * f.hold.Bytes())
	if f.hold == tensor.F16 {
		p.packing = append(p.packing, par.Serial("check", func() { f.check(p, packed.Half) }))
	}
	if c.opt.Packed != nil {
		p.packing = append(p.packing, par.Serial("packed", func() { c.opt.Packed(f.name) }))
	}
}

// check refuses weights that are too large for half precision.
func (f frozen) check(p *Program, half []uint16) {
	for _, h := range half {
		if h&0x7c00 == 0x7c00 {
			p.misfit = fmt.Errorf("%s has numbers beyond 65504, too large for f16: want bf16 or f32", f.name)
			return
		}
	}
}
