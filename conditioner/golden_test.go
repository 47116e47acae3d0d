package conditioner_test

import (
	"testing"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds conditioners against the reference's outputs, pairing inputs
// tokens_N with outputs z_N, and labels with z.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "conditioners") {
		t.Run(c.Base(), func(t *testing.T) {
			target := c.Target(t)
			switch target.Target {
			case "ldm.modules.encoders.modules.BERTEmbedder", "ldm.modules.encoders.modules.TransformerEmbedder":
				cfg := conditioner.Transformer{}.WithDefaults()
				if err := target.Decode(&cfg); err != nil {
					t.Fatal(err)
				}
				check(t, c, cfg.Build)
			case "ldm.modules.encoders.modules.ClassEmbedder":
				var cfg conditioner.ClassEmbedder
				if err := target.Decode(&cfg); err != nil {
					t.Fatal(err)
				}
				check(t, c, cfg.Build)
			default:
				t.Skipf("%s is not supported yet", target.Target)
			}
		})
	}
}

func check(t *testing.T, c *golden.Case, build func(nn.Builder, graph.Value) graph.Value) {
	for name := range c.Inputs {
		ids := c.Input(t, name)
		g := graph.New()
		b := nn.NewBuilder(g)
		y := build(b, g.IntInput("ids", ids.Shape...))
		c.CheckParams(t, b.Params())
		prog, err := cpu.New().Compile(g, []graph.Value{y}, c.Weights(t), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		copy(prog.Input("ids").I32, ids.I32)
		if err := prog.Run(); err != nil {
			t.Fatal(err)
		}
		want := output(t, c, name)
		if e := golden.RelErr(prog.Output(0).F32, want.F32); !(e < golden.Forward) {
			t.Errorf("%s: error %g", name, e)
		}
	}
}

// output finds the output of an input: the one alone, or the one with its ending.
func output(t *testing.T, c *golden.Case, input string) *tensor.Tensor {
	for name := range c.Outputs {
		if len(c.Outputs) == 1 || len(input) > 3 && name[1:] == input[len(input)-len(name)+1:] {
			return c.Output(t, name)
		}
	}
	t.Fatalf("no output for %s", input)
	return nil
}
