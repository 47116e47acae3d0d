package bench

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Built is the graph of a work. Its weights are not made yet.
type Built struct {
	Graph   *graph.Graph
	Outputs []graph.Value // the first is the network's output or the loss
	Weights []nn.ParamSpec
}

// Parameters counts the numbers of all weights.
func (b *Built) Parameters() int {
	n := 0
	for _, p := range b.Weights {
		n += p.Shape.Size()
	}
	return n
}

// Build makes the graph of a work for pictures of a shape. A step of training
// is one graph of the forward and backward pass, AdamW and EMA.
func (w Work) Build(s Shape) (*Built, error) {
	s = s.or(w.Shape)
	if s.Batch < 1 || s.Pixels < w.unit || s.Pixels%w.unit != 0 {
		return nil, fmt.Errorf("%s: %d pictures of %d pixels: want at least one, of a multiple of %d pixels", w.Name, s.Batch, s.Pixels, w.unit)
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	y := w.build(b, s.Pixels/w.unit, s.Batch)
	out := &Built{g, []graph.Value{y}, b.Params()}
	if w.train {
		out.addUpdates(y)
	}
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	return out, nil
}

// Names of the inputs of training: rate and the others are scalars.
const (
	rate  = "rate"
	step  = "step"
	decay = "decay"
	noise = "noise"

	timesteps = "t"
)

// Prefixes of what is kept beside a weight.
const (
	firstMoment  = "adam_m."
	secondMoment = "adam_v."
	shadow       = "ema."
)

// addUpdates appends AdamW and EMA of all weights. Gradients are not clipped;
// their norm, which the peers do not compute, is what keeps a NaN from the
// weights and so is part of every step here.
func (b *Built) addUpdates(loss graph.Value) {
	g := b.Graph
	params := make([]graph.Value, len(b.Weights))
	for i, w := range b.Weights {
		params[i] = g.Param(w.Name, w.Shape...)
	}
	grads := g.Gradients(loss, params)
	norm2 := g.SquaredNorm(grads...)
	op := graph.AdamW{Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .01}
	for i, w := range b.Weights {
		m, v := g.Param(firstMoment+w.Name, w.Shape...), g.Param(secondMoment+w.Name, w.Shape...)
		b.Outputs = append(b.Outputs, g.AdamW(op, params[i], m, v, grads[i], g.Input(rate), g.Input(step), norm2))
	}
	for i, w := range b.Weights {
		b.Outputs = append(b.Outputs, g.EMA(g.Param(shadow+w.Name, w.Shape...), params[i], g.Input(decay), norm2))
	}
}

const seed = 1

// vars draws the weights, in the format of a file. Layers that begin at zero,
// behind which everything would be zero, are drawn like the others.
func (b *Built) vars(format tensor.Format) engine.Vars {
	vars := engine.Vars{}
	for i, p := range b.Weights {
		t := nn.Initialize([]nn.ParamSpec{p}, seed)[p.Name]
		x := t.F32
		if len(p.Shape) > 1 && x[0] == 0 && x[len(x)-1] == 0 {
			nn.Uniform(len(x)/p.Shape[0])(tensor.NewStream(seed, uint64(i)), x)
		}
		if format != tensor.F32 {
			t = tensor.OfHalf(make([]uint16, len(x)), format, p.Shape...)
			format.Narrow(t.Half, x)
			tensor.Release(x)
		}
		vars[p.Name] = t
	}
	for _, v := range b.Graph.Params() {
		name := v.Node.Op.(graph.Param).Name
		if of, ok := strings.CutPrefix(name, shadow); ok {
			vars[name] = vars[of].Clone()
		} else if vars[name] == nil {
			vars[name] = tensor.New(v.Shape()...)
		}
	}
	return vars
}

// blank makes weights of zeros, enough to compile for: their memory is not
// touched, so that the system does not give it out.
func (b *Built) blank() engine.Vars {
	vars := engine.Vars{}
	for _, v := range b.Graph.Params() {
		vars[v.Node.Op.(graph.Param).Name] = tensor.New(v.Shape()...)
	}
	return vars
}

// fill draws the inputs of a program.
func (b *Built) fill(p engine.Program) {
	for _, n := range b.Graph.Nodes() {
		op, ok := n.Op.(graph.Input)
		if !ok {
			continue
		}
		in, stream := p.Input(op.Name), tensor.NewStream(seed, uint64(n.ID))
		if op.Name == timesteps {
			for i := range in.F32 {
				in.F32[i] = float32(i * 1000 / len(in.F32))
			}
			continue
		}
		stream.Normal(in.F32)
	}
	for name, value := range map[string]float32{rate: 1e-4, decay: 1 - 1e-4} {
		if in := p.Input(name); in != nil {
			in.F32[0] = value
		}
	}
}
