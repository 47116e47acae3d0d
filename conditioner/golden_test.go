package conditioner_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds conditioners against the reference's outputs. An input
// tokens_N belongs to output z_N.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "conditioners") {
		t.Run(c.Base(), func(t *testing.T) {
			switch {
			case strings.HasSuffix(c.Module, ".BERTEmbedder"), strings.HasSuffix(c.Module, ".TransformerEmbedder"):
				cfg := conditioner.Transformer{}.WithDefaults()
				decode(t, c, &cfg)
				check(t, c, cfg.Build)
			case strings.HasSuffix(c.Module, ".ClassEmbedder"):
				var cfg conditioner.ClassEmbedder
				decode(t, c, &cfg)
				check(t, c, cfg.Build)
			case strings.HasSuffix(c.Module, ".SpatialRescaler"):
				cfg := conditioner.DefaultRescaler()
				decode(t, c, &cfg)
				check(t, c, cfg.Build)
			case strings.Contains(c.Module, "CLIPTextModel"):
				cfg, _ := tower(t, c)
				check(t, c, func(b nn.Builder, x graph.Value) graph.Value { return cfg.Build(b, x) })
			case strings.Contains(c.Module, "OpenAI clip text tower"):
				checkPooled(t, c)
			default:
				t.Errorf("%s is not supported", c.Module)
			}
		})
	}
}

func decode(t *testing.T, c *golden.Case, cfg any) {
	t.Helper()
	if err := c.Target(t).Decode(cfg); err != nil {
		t.Fatal(err)
	}
}

// tower reads the sizes of a CLIP case, which has no YAML.
func tower(t *testing.T, c *golden.Case) (cfg conditioner.CLIP, projection int) {
	t.Helper()
	var m struct {
		H struct{ Hidden, Heads, Layers, Vocab, Max_positions, Intermediate, Projection int } `json:"hyperparameters"`
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.H.Intermediate != 4*m.H.Hidden {
		t.Fatalf("%d channels between, want 4·%d", m.H.Intermediate, m.H.Hidden)
	}
	return conditioner.CLIP{Width: m.H.Hidden, Heads: m.H.Heads, Layers: m.H.Layers, Vocab: m.H.Vocab, MaxLen: m.H.Max_positions}, m.H.Projection
}

func check(t *testing.T, c *golden.Case, build func(nn.Builder, graph.Value) graph.Value) {
	for name := range c.Inputs {
		in := c.Input(t, name)
		g := graph.New()
		b := nn.NewBuilder(g)
		var x graph.Value
		if in.I32 != nil {
			x = g.IntInput("in", in.Shape...)
		} else {
			in = in.ToNHWC()
			x = g.Input("in", in.Shape...)
		}
		y := build(b, x)
		compare(t, c, b, map[string]graph.Value{output(t, c, name): y}, map[string]*tensor.Tensor{"in": in})
	}
}

func checkPooled(t *testing.T, c *golden.Case) {
	cfg, projection := tower(t, c)
	g := graph.New()
	b := nn.NewBuilder(g)
	tokens := c.Input(t, "tokens")
	ends := &tensor.Tensor{I32: conditioner.Ends(tokens.I32, tokens.Shape[1])}
	y := cfg.BuildPooled(b, g.IntInput("tokens", tokens.Shape...), g.IntInput("end", tokens.Shape[0]), projection)
	compare(t, c, b, map[string]graph.Value{"text_features": y, "normalized": conditioner.Normalize(g, y)},
		map[string]*tensor.Tensor{"tokens": tokens, "end": ends})
}

func compare(t *testing.T, c *golden.Case, b nn.Builder, values map[string]graph.Value, inputs map[string]*tensor.Tensor) {
	t.Helper()
	if err := b.G.Err(); err != nil {
		t.Fatal(err)
	}
	params := b.Params()
	if strings.Contains(c.Module, "CLIPTextModel") { // the case has no prefix
		for i := range params {
			params[i].Name = strings.TrimPrefix(params[i].Name, "transformer.")
		}
	}
	c.CheckParams(t, params)
	weights := c.Weights(t)
	for name, w := range weights {
		weights["transformer."+name] = w
	}
	for name, v := range values {
		for _, m := range golden.Modes {
			compareIn(t, c, b.G, m, weights, name, v, inputs)
		}
	}
}

// compareIn computes one output in one mode.
func compareIn(t *testing.T, c *golden.Case, g *graph.Graph, m golden.Mode, weights engine.Vars, name string, v graph.Value, inputs map[string]*tensor.Tensor) {
	t.Helper()
	prog, err := engine.CompileWith(device.Engine(t), g, []graph.Value{v}, weights, m.Options)
	if err != nil {
		t.Fatal(err)
	}
	for in, x := range inputs {
		copy(prog.Input(in).F32, x.F32)
		copy(prog.Input(in).I32, x.I32)
	}
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := c.Output(t, name)
	if len(want.Shape) == 4 {
		want = want.ToNHWC()
	}
	golden.Near(t, name+" in "+m.Name, prog.Output(0).F32, want.F32, m.Tolerance)
}

// output finds the output of an input: the one alone, or the one with its ending.
func output(t *testing.T, c *golden.Case, input string) string {
	for name := range c.Outputs {
		if len(c.Outputs) == 1 || len(input) > 3 && name[1:] == input[len(input)-len(name)+1:] {
			return name
		}
	}
	t.Fatalf("no output for %s", input)
	return ""
}
