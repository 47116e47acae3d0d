package diffusers

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// TestGolden holds U-Nets that are configured as diffusers does, with weights under
// its names, against its outputs: Stable Diffusion v2's, one with heads by level, and
// a student that is told its guidance.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "networks/unet-*") {
		t.Run(c.Base(), func(t *testing.T) {
			var m struct {
				Arguments map[string]any
				Guidance  float64
			}
			c.Manifest(t, &m)
			m.Arguments["_class_name"] = "UNet2DConditionModel"
			raw, err := json.Marshal(m.Arguments)
			if err != nil {
				t.Fatal(err)
			}
			u, err := readUNet(directory{"", fstest.MapFS{"unet/config.json": {Data: raw}}}, "unet")
			if err != nil {
				t.Fatal(err)
			}
			cfg := unet.Default()
			if err := (config.Target{Params: u.params}).Decode(&cfg); err != nil {
				t.Fatal(err)
			}
			checkUNet(t, c, cfg, u.names, m.Guidance)
		})
	}
}

func checkUNet(t *testing.T, c *golden.Case, cfg unet.Config, names table, guidance float64) {
	g := graph.New()
	b := nn.NewBuilder(g)
	x, context := c.Input(t, "x").ToNHWC(), c.Input(t, "context")
	n := x.Shape[0]
	in := unet.Inputs{X: g.Input("x", x.Shape...), T: g.Input("t", n), Context: g.Input("context", context.Shape...)}
	if cfg.TimeCondProjDim > 0 {
		in.Guidance = g.Input("guidance", n, cfg.TimeCondProjDim)
	}
	y := cfg.Build(b, in)
	theirs := c.Weights(t)
	weights := engine.Vars{}
	for _, p := range b.Params() {
		name := names.lookup(p.Name)
		if len(name) == 0 || theirs[name[0]] == nil {
			t.Fatalf("%s: %v is no parameter of diffusers'", p.Name, name)
		}
		weights[p.Name] = theirs[name[0]]
		delete(theirs, name[0])
	}
	for name := range theirs {
		t.Errorf("%s is not read", name)
	}
	for _, m := range golden.Modes {
		prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, []graph.Value{y}, weights, m.Options)
		if err != nil {
			t.Fatal(err)
		}
		copy(prog.Input("x").F32, x.F32)
		for i, v := range c.Input(t, "t").I32 {
			prog.Input("t").F32[i] = float32(v)
		}
		copy(prog.Input("context").F32, context.F32)
		if guidance > 0 {
			for i := range n {
				unet.GuidanceEmbedding(prog.Input("guidance").Row(i).F32, guidance)
			}
			if e := golden.RelErr(prog.Input("guidance").Row(0).F32, c.Output(t, "guidance_embedding").F32); !(e < golden.Forward) {
				t.Errorf("the guidance's embedding: error %g", e)
			}
		}
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := golden.RelErr(prog.Output(0).F32, c.Output(t, "y").ToNHWC().F32); !(e < m.Tolerance) {
			t.Errorf("in %s: error %g", m.Name, e)
		} else {
			t.Logf("in %s: error %.2g", m.Name, e)
		}
		prog.Close()
	}
}
