package recognise_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// parts are the configurations inside a latent diffusion model's.
type parts struct {
	params map[string]any
	unet   unet.Config
	stage  autoencoder.Config
	cond   config.Target // without parameters where it is a name alone
}

// target is the target in a YAML's map, or in the name that stands for one.
func target(v any) config.Target {
	if name, ok := v.(string); ok {
		return config.Target{Target: name}
	}
	m, _ := v.(map[string]any)
	var t config.Target
	t.Target, _ = m["target"].(string)
	t.Params, _ = m["params"].(map[string]any)
	return t
}

func decode(t *testing.T, from config.Target, into any) {
	t.Helper()
	if err := from.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func partsOf(t *testing.T, model config.Target) parts {
	t.Helper()
	p := parts{params: model.Params, unet: unet.Default(), cond: target(model.Params["cond_stage_config"])}
	decode(t, target(model.Params["unet_config"]), &p.unet)
	p.stage = stageOf(t, target(model.Params["first_stage_config"]))
	return p
}

func stageOf(t *testing.T, from config.Target) autoencoder.Config {
	t.Helper()
	var c autoencoder.Config
	if strings.Contains(from.Target, "VQ") {
		c.Kind = autoencoder.VQ
	}
	decode(t, from, &c)
	return c
}

// shapes lists the parameters of all parts.
func (p parts) shapes(t *testing.T) map[string][]int {
	t.Helper()
	all := stageShapes(t, p.stage, "first_stage_model")
	g := graph.New()
	b := nn.NewBuilder(g)
	f := p.unet.Factor()
	in := unet.Inputs{X: g.Input("x", 1, f, f, p.unet.InChannels), T: g.Input("t", 1)}
	if p.unet.UseSpatialTransformer {
		in.Context = g.Input("context", 1, 1, p.unet.ContextDim)
	}
	if p.unet.TimeCondProjDim > 0 {
		in.Guidance = g.Input("guidance", 1, p.unet.TimeCondProjDim)
	}
	if p.unet.NumClasses > 0 {
		in.Y = g.IntInput("y", 1)
	}
	p.unet.Build(b.In("model.diffusion_model"), in)
	p.buildCondition(t, b.In("cond_stage_model"))
	maps.Copy(all, listed(t, b))
	if p.cond.Target == "__is_first_stage__" {
		maps.Copy(all, stageShapes(t, p.stage, "cond_stage_model"))
	}
	return all
}

func (p parts) buildCondition(t *testing.T, b nn.Builder) {
	t.Helper()
	_, name, ok := strings.Cut(p.cond.Target, "modules.encoders.modules.")
	if !ok {
		name = p.cond.Target
	}
	switch name {
	case "BERTEmbedder":
		c := conditioner.Transformer{}.WithDefaults()
		decode(t, p.cond, &c)
		c.Build(b, b.G.IntInput("tokens", 1, 1))
	case "ClassEmbedder":
		c := conditioner.ClassEmbedder{NClasses: 1000}
		decode(t, p.cond, &c)
		c.Build(b, b.G.IntInput("labels", 1))
	case "SpatialRescaler":
		c := conditioner.DefaultRescaler()
		decode(t, p.cond, &c)
		c.Build(b, b.G.Input("picture", 1, 1<<c.NStages, 1<<c.NStages, c.InChannels))
	case "FrozenOpenCLIPEmbedder":
		var c conditioner.FrozenOpenCLIP
		decode(t, p.cond, &c)
		buildTower(t, b, &c)
	case config.TargetCLIPTextModel:
		var c conditioner.CLIPTextModel
		decode(t, p.cond, &c)
		buildTower(t, b, &c)
	case "FrozenCLIPEmbedder":
		conditioner.ViTL14.Build(b, b.G.IntInput("tokens", 1, 77))
	}
}

func buildTower(t *testing.T, b nn.Builder, arguments interface {
	Tower() (conditioner.CLIP, error)
}) {
	t.Helper()
	tower, err := arguments.Tower()
	if err != nil {
		t.Fatal(err)
	}
	tower.Build(b, b.G.IntInput("tokens", 1, 1))
}

func stageShapes(t *testing.T, c autoencoder.Config, prefix string) map[string][]int {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	f := c.Factor()
	c.Encode(b.In(prefix), g.Input("x", 1, f, f, c.PictureChannels()))
	c.Decode(b.In(prefix), g.Input("z", 1, 1, 1, c.LatentChannels()))
	return listed(t, b)
}

func listed(t *testing.T, b nn.Builder) map[string][]int {
	t.Helper()
	if err := b.G.Err(); err != nil {
		t.Fatal(err)
	}
	all := map[string][]int{}
	for _, s := range b.Params() {
		all[s.Name] = s.Shape
	}
	return all
}

// sameShapes wants two files to have the same tensors, but for buffers,
// averages, the losses of autoencoders and what loading makes anew.
func sameShapes(t *testing.T, got, want map[string][]int) {
	t.Helper()
	for name, shape := range got {
		if !slices.Equal(shape, want[name]) {
			t.Errorf("%s is built as %v, the file has %v", name, shape, want[name])
		}
	}
	for name := range want {
		_, ok := got[name]
		buffer := !strings.Contains(name, ".") || strings.HasPrefix(name, "model_ema.") || strings.Contains(name, "loss.")
		if !ok && !buffer {
			t.Errorf("%s of the file is not built", name)
		}
	}
}
