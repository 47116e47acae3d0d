package conditioner_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestTowers holds text towers with GELU against transformers', and with OpenCLIP's
// names against OpenCLIP's, whose layer before the last counts in Stable Diffusion v2.
func TestTowers(t *testing.T) {
	for _, c := range golden.Cases(t, "networks/text-*") {
		t.Run(c.Base(), func(t *testing.T) {
			arguments := argumentsOf(t, c)
			tokens := c.Input(t, "tokens")
			prefix := "transformer."
			outputs := map[string]interface {
				Tower() (conditioner.CLIP, error)
			}{"z": &conditioner.CLIPTextModel{}}
			if strings.HasPrefix(c.Module, "open_clip") {
				prefix = "model."
				outputs = map[string]interface {
					Tower() (conditioner.CLIP, error)
				}{"penultimate": &conditioner.FrozenOpenCLIP{}, "z": &conditioner.FrozenOpenCLIP{}}
			}
			weights := map[string]*tensor.Tensor{}
			for name, w := range c.Weights(t) {
				weights[prefix+name] = w
			}
			for output, into := range outputs {
				if output == "z" {
					delete(arguments, "layer") // the last one
				} else {
					arguments["layer"] = output
				}
				if err := (config.Target{Params: maps.Clone(arguments)}).Decode(into); err != nil {
					t.Fatal(err)
				}
				tower, err := into.Tower()
				if err != nil {
					t.Fatal(err)
				}
				g := graph.New()
				b := nn.NewBuilder(g)
				y := tower.Build(b, g.IntInput("tokens", tokens.Shape...))
				for _, p := range b.Params() {
					if _, ok := weights[p.Name]; !ok {
						t.Fatalf("%s is no parameter of the reference", p.Name)
					}
				}
				for _, m := range golden.Modes {
					compareIn(t, c, g, m, weights, output, y, map[string]*tensor.Tensor{"tokens": tokens})
				}
			}
		})
	}
}

// argumentsOf are a case's arguments, with whole numbers as YAML has them.
func argumentsOf(t *testing.T, c *golden.Case) map[string]any {
	t.Helper()
	var m struct{ Arguments json.RawMessage }
	c.Manifest(t, &m)
	var out map[string]any
	if err := config.Parse(&out, c.Name, m.Arguments, nil); err != nil {
		t.Fatal(err)
	}
	return out
}
