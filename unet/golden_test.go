package unet_test

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// TestGolden holds U-Nets against the reference's outputs.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "unets") {
		t.Run(c.Base(), func(t *testing.T) {
			if !strings.HasSuffix(c.Module, ".UNetModel") {
				t.Skipf("%s is not supported yet", c.Module)
			}
			cfg := unet.Default()
			if err := c.Target(t).Decode(&cfg); err != nil {
				t.Fatal(err)
			}
			for name := range c.Inputs {
				if !strings.Contains(" x t context y ", " "+name+" ") {
					t.Skipf("input %s is not supported yet", name)
				}
			}
			check(t, c, cfg)
		})
	}
}

func check(t *testing.T, c *golden.Case, cfg unet.Config) {
	g := graph.New()
	b := nn.NewBuilder(g)
	if _, wrapped := c.StateDict["diffusion_model.time_embed.0.weight"]; wrapped {
		b = b.In("diffusion_model")
	}
	x := c.Input(t, "x").ToNHWC()
	in := unet.Inputs{X: g.Input("x", x.Shape...), T: g.IntInput("t", x.Shape[0])}
	if _, ok := c.Inputs["context"]; ok {
		in.Context = g.Input("context", c.Input(t, "context").Shape...)
	}
	if _, ok := c.Inputs["y"]; ok {
		in.Y = g.IntInput("y", x.Shape[0])
	}
	y := cfg.Build(b, in)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	c.CheckParams(t, b.Params())
	prog, err := cpu.New().Compile(g, []graph.Value{y}, c.Weights(t), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	copy(prog.Input("x").F32, x.F32)
	copy(prog.Input("t").I32, c.Input(t, "t").I32)
	if in.Context.Valid() {
		copy(prog.Input("context").F32, c.Input(t, "context").F32)
	}
	if in.Y.Valid() {
		copy(prog.Input("y").I32, c.Input(t, "y").I32)
	}
	if err := prog.Run(); err != nil {
		t.Fatal(err)
	}
	for name := range c.Outputs {
		want := c.Output(t, name)
		if len(want.Shape) == 4 {
			want = want.ToNHWC()
		}
		if e := golden.RelErr(prog.Output(0).F32, want.F32); !(e < golden.Forward) {
			t.Errorf("%s: error %g", name, e)
		}
	}
}
