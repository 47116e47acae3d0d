package model

import (
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// DiffusionParams lists the parameters of the second stage: U-Net and
// conditioner, those alone that the network reads.
func (n *Network) DiffusionParams() ([]nn.ParamSpec, error) {
	b, err := n.smallest()
	return used(b), err
}

// smallest adds the second stage to a graph at the smallest size there is.
func (n *Network) smallest() (nn.Builder, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	f := n.UNet.Factor()
	c := n.LatentChannels()
	condition := n.Condition(b, 1, 1)
	joined := func() graph.Value { return g.Input("joined", 1, f, f, max(n.UNet.InChannels-c, 1)) }
	inputs := func(values ...graph.Value) {
		in := unet.Inputs{X: g.Input("x", 1, f, f, c), T: g.Input("t", 1)}
		if n.ToldGuidance() {
			in.Guidance = g.Input("guidance", 1, n.UNet.TimeCondProjDim)
		}
		n.Denoise(b, n.Place(in, values...))
	}
	switch {
	case n.Rescaler != nil: // its parameters do not depend on the size
		n.Rescaler.Build(b.In(PrefixConditioner), g.Input("picture", 1, 1<<min(n.Rescaler.NStages, 12), 1<<min(n.Rescaler.NStages, 12), n.Rescaler.InChannels))
		inputs(joined())
	case n.Key == KeyConcat:
		inputs(joined())
	case n.Key == KeyHybrid:
		inputs(condition, joined())
	case n.Key == KeyCrossAttn && !condition.Valid():
		inputs(g.Input("condition", 1, 1, max(n.UNet.ContextDim, 1)))
	case n.Key == KeyADM:
		inputs(g.IntInput("labels", 1))
	default:
		inputs(condition)
	}
	return b, g.Err()
}

// used drops declared parameters that no operation reads.
func used(b nn.Builder) []nn.ParamSpec {
	in := map[string]bool{}
	for _, p := range b.G.Params() {
		in[p.Node.Op.(graph.Param).Name] = true
	}
	var out []nn.ParamSpec
	for _, s := range b.Params() {
		if in[s.Name] {
			out = append(out, s)
		}
	}
	return out
}

// AllParams lists all parameters of a model file.
func (n *Network) AllParams() ([]nn.ParamSpec, error) {
	stage, err := StageParams(n.FirstStage, PrefixFirstStage)
	if err != nil {
		return nil, err
	}
	diffusion, err := n.DiffusionParams()
	return append(stage, diffusion...), err
}

// ParamsOf lists the parameters of the model that a configuration describes:
// a whole latent diffusion model or a first stage.
func ParamsOf(t config.Target) ([]nn.ParamSpec, error) {
	if !IsDiffusion(t) {
		cfg, err := StageOf(t)
		if err != nil {
			return nil, err
		}
		return StageParams(cfg, "")
	}
	n, err := New(t)
	if err != nil {
		return nil, err
	}
	return n.AllParams()
}
