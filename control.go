package ldm

import (
	"context"
	"image"
	"math"
	"strconv"

	"github.com/ldm-go/ldm/adapter/control"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// ControlNet ties a model's pictures to the structure of one that is given: its edges,
// its depth, the pose of who is in it (Zhang et al., arXiv 2302.05543). It is safe for
// concurrent use, but for Close.
type ControlNet struct {
	net     unet.Control
	weights engine.Weights
	pool    *programs.Pool
	hint    *programs.Cache[size]
	outputs *programs.Cache[programs.Batch[kind]]
}

// Control is a ControlNet in a request, with the picture that it sees: the map of
// edges, depths or poses itself.
type Control struct {
	Net      *ControlNet
	Image    image.Image // stretched to the size of the pictures, where it has another
	Strength float64     // of what the net adds; 0: 1
	// Between these shares of the steps the net counts; End 0: 1.
	Start, End float64
}

// OpenControlNet reads a ControlNet for this model: a file under the names of its
// authors or of diffusers, or a folder of diffusers. It is closed by the caller, after
// the last request with it.
func (m *Model) OpenControlNet(path string) (*ControlNet, error) {
	if m.net.Key != model.KeyCrossAttn && m.net.Key != model.KeyHybrid {
		return nil, fault.Unsupportedf("%s: ControlNets go with models of texts, not with one that is conditioned on %s", path, m.takes())
	}
	f, err := control.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Factor() != m.stage.Factor() {
		return nil, fault.Inputf("%s: a ControlNet for latents of 1/%d of the picture's side: want 1/%d", path, f.Factor(), m.stage.Factor())
	}
	if m.opt.Engine == nil {
		return nil, fault.Inputf("%s: the model's options name no engine: want the one that loaded its weights", path)
	}
	net := f.Net(m.net.UNet, m.net.LatentChannels())
	vars, err := f.Weights(net)
	if err != nil {
		return nil, err
	}
	w, err := m.opt.Engine.Load(vars, engine.LoadOptions{Hold: m.opt.Hold})
	if err != nil {
		return nil, err
	}
	return newControlNet(net, w, m), nil
}

// newControlNet compiles nothing yet.
func newControlNet(net unet.Control, w engine.Weights, m *Model) *ControlNet {
	c := &ControlNet{net: net, weights: w, pool: programs.NewPool(m.opt.Keep)}
	c.hint = cache(c.pool, m.opt, w, func(g *graph.Graph, s size) graph.Value {
		return net.BuildHint(nn.NewBuilder(g), g.Input("x", s.n, s.h, s.w, 3))
	})
	c.outputs = cacheAll(c.pool, m.opt, w, func(g *graph.Graph, s programs.Batch[kind]) []graph.Value {
		k := s.Kind
		in := m.net.DenoiserInputs(g, s.Rows, k.h, k.w, k.tokens)
		in.Concat = graph.Value{} // of inpainting models, whose ControlNets see the latent alone
		return net.Build(nn.NewBuilder(g), in, g.Input("hint", s.Rows, k.h, k.w, net.ModelChannels))
	})
	return c
}

// Close frees the net's programs and weights.
func (c *ControlNet) Close() {
	c.pool.Close()
	c.weights.Close()
}

// resolveControls refuses what cannot be done or would have no effect.
func (m *Model) resolveControls(r *Request) error {
	if len(r.Controls) == 0 {
		return nil
	}
	controls := make([]Control, len(r.Controls))
	for i, c := range r.Controls {
		if c.Strength == 0 {
			c.Strength = 1
		}
		if c.End == 0 {
			c.End = 1
		}
		switch {
		case c.Net == nil || c.Image == nil || c.Image.Bounds().Empty():
			return fault.Inputf("control %d lacks its net or its picture", i+1)
		case c.Net.net.ContextDim != m.net.UNet.ContextDim || c.Net.net.ModelChannels != m.net.UNet.ModelChannels || c.Net.HintFactor() != m.stage.Factor():
			return fault.Inputf("control %d was opened for another model", i+1)
		case !(c.Strength > 0) || math.IsInf(c.Strength, 0):
			return fault.Inputf("control %d: strength %g: want more than 0", i+1, c.Strength)
		case !(c.Start >= 0 && c.Start < c.End && c.End <= 1):
			return fault.Inputf("control %d: from %g to %g: want two shares of the steps, from 0 to 1, the first one less", i+1, c.Start, c.End)
		}
		controls[i] = c
	}
	r.Controls = controls
	return nil
}

// HintFactor is the ratio of a picture's side to that of a latent.
func (c *ControlNet) HintFactor() int { return c.net.HintFactor() }

// controlled is a Control at work.
type controlled struct {
	Control
	hint *tensor.Tensor // [h, w, C]
}

// encodeControls embeds the pictures of the controls.
func (g *generation) encodeControls(ctx context.Context) error {
	for _, c := range g.Controls {
		img := picture.OnWhite(c.Image)
		if size := img.Bounds().Size(); size != image.Pt(g.Width, g.Height) {
			img = picture.Resize(img, g.Width, g.Height, picture.Lanczos)
		}
		x := picture.Tensor(img)
		for i, v := range x.F32 {
			x.F32[i] = (v + 1) / 2
		}
		y, err := batched(ctx, c.Net.hint, x, 1)
		if err != nil {
			return err
		}
		g.controls = append(g.controls, controlled{c, y.Row(0)})
	}
	return nil
}

// controlsAt are the controls that count at a step, counted from 1.
func (p *part) controlsAt(step int) (active []controlled) {
	total := float64(p.steps())
	for _, c := range p.controls {
		if float64(step-1)/total >= c.Start && float64(step)/total <= c.End {
			active = append(active, c)
		}
	}
	return active
}

// residual is the name of the denoiser's input for what ControlNets add at a place.
func residual(i int) string { return "residual." + strconv.Itoa(i) }

// control fills the inputs of n rows with what their ControlNets add, each times its
// strength.
func (m *Model) control(ctx context.Context, r row, k kind, n int, in programs.Rows) error {
	shapes := m.net.UNet.Residuals(k.h, k.w)
	if k.shallow {
		shapes = shapes[:k.branch]
	}
	for i, s := range shapes {
		in[residual(i)] = tensor.New(append([]int{n}, s...)...)
	}
	plain := kind{h: k.h, w: k.w, tokens: k.tokens}
	for _, c := range r.controls {
		err := c.Net.outputs.Use(ctx, programs.Batch[kind]{Rows: n, Kind: plain}, func(p engine.Program) error {
			for name, x := range in {
				if to := p.Input(name); to != nil {
					copy(to.F32, x.F32)
				}
			}
			for i := range n {
				copy(p.Input("hint").Row(i).F32, c.hint.F32)
			}
			if err := p.Run(ctx); err != nil {
				return err
			}
			for i := range shapes {
				sum, strength := in[residual(i)].F32, float32(c.Strength)
				for j, v := range p.Output(i).F32 {
					sum[j] += strength * v
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
