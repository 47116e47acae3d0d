package autoencoder_test

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds first stages against the reference's outputs.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "first_stages") {
		t.Run(c.Base(), func(t *testing.T) {
			var cfg autoencoder.Config
			if err := c.Target(t).Decode(&cfg); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasSuffix(c.Module, ".AutoencoderKL"):
				checkKL(t, c, cfg)
			case strings.HasSuffix(c.Module, ".VQModel"):
				cfg.Kind = autoencoder.VQ
				checkVQ(t, c, cfg)
			default:
				t.Errorf("%s is not supported", c.Module)
			}
		})
	}
}

func checkKL(t *testing.T, c *golden.Case, cfg autoencoder.Config) {
	g := graph.New()
	b := nn.NewBuilder(g)
	x, z := c.Input(t, "x").ToNHWC(), c.Input(t, "z").ToNHWC()
	moments := cfg.Encode(b, g.Input("x", x.Shape...))
	posterior := autoencoder.NewGaussian(g, moments)
	mean := c.Output(t, "mean").ToNHWC()
	noise := c.Input(t, "posterior_noise").ToNHWC()
	run(t, c, b, map[string]graph.Value{
		"moments": moments, "mean": posterior.Mean, "logvar": posterior.LogVar, "sample": posterior.Sample(g, g.Input("noise", noise.Shape...)),
		"kl": posterior.KL(g), "decode_mode": cfg.Decode(b, g.Input("mean", mean.Shape...)), "decode_z": cfg.Decode(b, g.Input("z", z.Shape...)),
	}, map[string]*tensor.Tensor{"x": x, "z": z, "noise": noise, "mean": mean})
}

func checkVQ(t *testing.T, c *golden.Case, cfg autoencoder.Config) {
	g := graph.New()
	b := nn.NewBuilder(g)
	x, z := c.Input(t, "x").ToNHWC(), c.Input(t, "z").ToNHWC()
	h, zIn := cfg.Encode(b, g.Input("x", x.Shape...)), g.Input("z", z.Shape...)
	quantized, indices := cfg.Quantize(b, h)
	_, zIndices := cfg.Quantize(b, zIn)
	run(t, c, b, map[string]graph.Value{
		"prequant": h, "indices": indices, "quantized": quantized, "z_indices": zIndices,
		"codebook_loss":                         autoencoder.CodebookLoss(g, h, quantized),
		"reconstruction":                        cfg.DecodeContinuous(b, quantized),
		"interface_decode_z":                    cfg.Decode(b, zIn),
		"interface_decode_z_force_not_quantize": cfg.DecodeContinuous(b, zIn),
	}, map[string]*tensor.Tensor{"x": x, "z": z})
}

// run computes the values and compares those that the case has.
func run(t *testing.T, c *golden.Case, b nn.Builder, values map[string]graph.Value, inputs map[string]*tensor.Tensor) {
	c.CheckParams(t, b.Params())
	var names []string
	var outputs []graph.Value
	for name, v := range values {
		names, outputs = append(names, name), append(outputs, v)
	}
	for name := range c.Outputs {
		if _, ok := values[name]; !ok && !strings.HasSuffix(name, "margin") {
			t.Errorf("output %s is not compared", name)
		}
	}
	weights := c.Weights(t)
	for _, m := range golden.Modes {
		prog, err := engine.CompileWith(device.Engine(t), b.G, outputs, weights, m.Options)
		if err != nil {
			t.Fatal(err)
		}
		for name, in := range inputs {
			copy(prog.Input(name).F32, in.F32)
		}
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			if c.Has(name) && !(m.Options.Precision == engine.BF16 && coded[name]) {
				compare(t, c, m, name, prog.Output(i))
			}
		}
		prog.Close()
	}
}

// coded are results behind the choice of the nearest code, which rounding changes.
var coded = map[string]bool{"indices": true, "quantized": true, "reconstruction": true}

func compare(t *testing.T, c *golden.Case, m golden.Mode, name string, got *tensor.Tensor) {
	t.Helper()
	want := c.Output(t, name)
	if want.I32 != nil {
		compareIndices(t, name, got.I32, want.I32, c.Output(t, strings.TrimSuffix(name, "indices")+"index_margin").F32)
		return
	}
	if len(want.Shape) == 4 {
		want = want.ToNHWC()
	}
	tolerance := m.Tolerance
	if name == "decode_mode" && m.Options.Precision == engine.BF16 { // two passes, one behind the other
		tolerance *= 2
	}
	golden.Near(t, name+" in "+m.Name, got.F32, want.F32, tolerance)
}

// compareIndices wants equal codes where the second nearest is clearly further.
func compareIndices(t *testing.T, name string, got, want []int32, margin []float32) {
	t.Helper()
	if len(got) != len(want) || len(got) != len(margin) {
		t.Fatalf("%s: %d codes, want %d", name, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] && margin[i] > 1e-4 {
			t.Fatalf("%s: code %d is %d, want %d", name, i, got[i], want[i])
		}
	}
}
