package unet_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestGolden holds U-Nets and spatial transformers against the reference's outputs.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "unets") {
		t.Run(c.Base(), func(t *testing.T) {
			switch {
			case strings.HasSuffix(c.Module, ".UNetModel"):
				cfg := unet.Default()
				if err := c.Target(t).Decode(&cfg); err != nil {
					t.Fatal(err)
				}
				checkUNet(t, c, cfg)
			case strings.HasSuffix(c.Module, ".SpatialTransformer"):
				checkTransformer(t, c)
			default:
				t.Errorf("%s is not supported", c.Module)
			}
		})
	}
}

func checkUNet(t *testing.T, c *golden.Case, cfg unet.Config) {
	g := graph.New()
	b := nn.NewBuilder(g)
	if _, wrapped := c.StateDict["diffusion_model.time_embed.0.weight"]; wrapped {
		b = b.In("diffusion_model")
	}
	in := inputs(t, c, g)
	run(t, c, b, cfg.Build(b, in))
}

func checkTransformer(t *testing.T, c *golden.Case) {
	var cfg struct {
		InChannels int `yaml:"in_channels"`
		Heads      int `yaml:"n_heads"`
		Dim        int `yaml:"d_head"`
		Depth      int `yaml:"depth"`
		ContextDim int `yaml:"context_dim"`
	}
	if err := c.Target(t).Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	in := inputs(t, c, g)
	y := unet.SpatialTransformer(b, in.X, in.Context, unet.Transformer{Heads: cfg.Heads, Dim: cfg.Dim, Depth: cfg.Depth})
	run(t, c, b, y)
}

// inputs declares the inputs of a case under their names. Several contexts are
// joined, as the reference's wrapper does.
func inputs(t *testing.T, c *golden.Case, g *graph.Graph) unet.Inputs {
	var in unet.Inputs
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		value := nhwc(c.Input(t, name))
		switch {
		case name == "x":
			in.X = g.Input(name, value.Shape...)
		case name == "t":
			in.T = g.Input(name, value.Shape...)
		case name == "y":
			in.Y = g.IntInput(name, value.Shape...)
		case name == "c_concat":
			in.Concat = g.Input(name, value.Shape...)
		case name == "context" || strings.HasPrefix(name, "c_crossattn"):
			v := g.Input(name, value.Shape...)
			if in.Context.Valid() {
				v = g.Concat(1, in.Context, v)
			}
			in.Context = v
		default:
			t.Errorf("input %s is not supported", name)
		}
	}
	return in
}

func run(t *testing.T, c *golden.Case, b nn.Builder, y graph.Value) {
	if err := b.G.Err(); err != nil {
		t.Fatal(err)
	}
	c.CheckParams(t, b.Params())
	weights := c.Weights(t)
	for _, m := range golden.Modes {
		prog, err := engine.CompileWith(device.Engine(t), b.G, []graph.Value{y}, weights, m.Options)
		if err != nil {
			t.Fatal(err)
		}
		for name := range c.Inputs {
			if in, value := prog.Input(name), nhwc(c.Input(t, name)); in != nil { // adm models may ignore a context
				copy(in.F32, value.F32)
				copy(in.I32, value.I32)
				for i := range in.F32 { // timesteps are whole numbers there
					if value.I32 != nil {
						in.F32[i] = float32(value.I32[i])
					}
				}
			}
		}
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name := range c.Outputs {
			want := nhwc(c.Output(t, name))
			golden.Near(t, name+" in "+m.Name, prog.Output(0).F32, want.F32, m.Tolerance)
		}
		prog.Close()
	}
}

func nhwc(x *tensor.Tensor) *tensor.Tensor {
	if len(x.Shape) == 4 {
		return x.ToNHWC()
	}
	return x
}
