package autoencoder_test

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds first stages against the reference's outputs.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "first_stages") {
		t.Run(c.Base(), func(t *testing.T) {
			if !strings.HasSuffix(c.Module, ".AutoencoderKL") {
				t.Skipf("%s is not supported yet", c.Module)
			}
			var cfg autoencoder.Config
			if err := c.Target(t).Decode(&cfg); err != nil {
				t.Fatal(err)
			}
			check(t, c, cfg)
		})
	}
}

func check(t *testing.T, c *golden.Case, cfg autoencoder.Config) {
	g := graph.New()
	b := nn.NewBuilder(g)
	x, z := c.Input(t, "x").ToNHWC(), c.Input(t, "z").ToNHWC()
	posterior := autoencoder.NewGaussian(g, cfg.Encode(b, g.Input("x", x.Shape...)))
	noise := c.Input(t, "posterior_noise").ToNHWC()
	names := []string{"mean", "logvar", "sample", "kl", "decode_mode", "decode_z"}
	outputs := []graph.Value{
		posterior.Mean, posterior.LogVar, posterior.Sample(g, g.Input("noise", noise.Shape...)),
		posterior.KL(g), cfg.Decode(b, posterior.Mean), cfg.Decode(b, g.Input("z", z.Shape...)),
	}
	c.CheckParams(t, b.Params())
	prog, err := cpu.New().Compile(g, outputs, c.Weights(t), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]*tensor.Tensor{"x": x, "z": z, "noise": noise} {
		copy(prog.Input(name).F32, in.F32)
	}
	if err := prog.Run(); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if !c.Has(name) {
			continue
		}
		want := c.Output(t, name)
		if len(want.Shape) == 4 {
			want = want.ToNHWC()
		}
		if e := golden.RelErr(prog.Output(i).F32, want.F32); !(e < golden.Forward) {
			t.Errorf("%s: error %g", name, e)
		}
	}
}
