package lora

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

const mergedTolerance = 1e-6

// network is the base model of the cases: a U-Net and a text tower.
type network struct {
	g         *graph.Graph
	eps, text graph.Value
	base      *Base
}

func buildNetwork(t *testing.T, c *golden.Case, x, context, tokens tensor.Shape) network {
	t.Helper()
	cfg := unet.Default()
	if err := c.Target(t).Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	var m struct {
		Text struct{ Hidden, Layers, Heads, Vocab, Positions int } `json:"text_encoder"`
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	tower := conditioner.CLIP{Width: m.Text.Hidden, Heads: m.Text.Heads, Layers: m.Text.Layers, Vocab: m.Text.Vocab, MaxLen: m.Text.Positions}
	g := graph.New()
	b := nn.NewBuilder(g)
	in := unet.Inputs{X: g.Input("x", x...), T: g.Input("t", 1), Context: g.Input("context", context...)}
	eps := cfg.Build(b.In("model").In("diffusion_model"), in)
	text := tower.Build(b.In("cond_stage_model"), g.IntInput("tokens", tokens...))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return network{g, eps, text, NewBase(b.Params(), cfg)}
}

// TestGolden holds merged weights, and what the networks make of them, against the
// reference's, for every layout of files.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "lora") {
		t.Run(c.Base(), func(t *testing.T) { checkCase(t, c) })
	}
}

func checkCase(t *testing.T, c *golden.Case) {
	var m struct {
		Files     []string
		Strengths []float64
		Relative  []float64 `json:"relative_strengths"`
		Applied   map[string]any
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	dict, err := os.ReadFile(golden.Files(t, "lora/base.state_dict.json")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(dict, &c.StateDict); err != nil {
		t.Fatal(err)
	}
	base := engine.Vars(c.Weights(t))
	in := map[string]*tensor.Tensor{"x": c.Input(t, "x").ToNHWC(), "context": c.Input(t, "context"), "tokens": c.Input(t, "tokens")}
	in["t"] = tensor.Of([]float32{float32(c.Input(t, "t").I32[0])}, 1)
	net := buildNetwork(t, c, in["x"].Shape, in["context"].Shape, in["tokens"].Shape)
	var fitted []*Fitted
	for _, name := range m.Files {
		fitted = append(fitted, open(t, net.base, golden.Files(t, "lora/"+name)[0]))
	}
	if len(m.Files) == 1 {
		want := slices.Sorted(maps.Keys(m.Applied))
		if got := slices.Sorted(maps.Keys(fitted[0].changes)); !slices.Equal(got, want) {
			t.Errorf("%d parameters are changed, want %d:\n%v\n%v", len(got), len(want), got, want)
		}
	}
	for _, s := range m.Strengths {
		var strong []Strong
		for i, f := range fitted {
			strong = append(strong, Strong{f, s * m.Relative[i], s * m.Relative[i]})
		}
		changed, err := Merge(context.Background(), base, strong, tensor.F32)
		if err != nil {
			t.Fatal(err)
		}
		if s == 1 {
			checkMerged(t, c, changed)
		}
		all := maps.Clone(base)
		maps.Copy(all, changed)
		out := nettest.Compute(t, net.g, all, in, net.eps, net.text)
		for i, name := range []string{"eps", "text"} {
			key := fmt.Sprintf("%s/%g", name, s)
			if !c.Has(key) {
				continue
			}
			got := out[i]
			if name == "eps" {
				got = got.ToNCHW()
			}
			if e := golden.RelErr(got.F32, c.Output(t, key).F32); e > golden.Forward {
				t.Errorf("%s: relative error %.2g", key, e)
			}
		}
	}
}

func checkMerged(t *testing.T, c *golden.Case, changed engine.Vars) {
	t.Helper()
	n := 0
	for key := range c.Outputs {
		name, ok := strings.CutPrefix(key, "merged/")
		if !ok {
			continue
		}
		n++
		if changed[name] == nil {
			t.Errorf("%s is not changed", name)
			continue
		}
		if e := golden.RelErr(changed[name].F32, c.Output(t, key).F32); e > mergedTolerance {
			t.Errorf("%s: relative error %.2g", name, e)
		}
	}
	if n == 0 {
		t.Error("no merged weights in the case")
	}
}

func open(t *testing.T, b *Base, path string) *Fitted {
	t.Helper()
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	f, err := b.Fit(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Unused) > 0 {
		t.Errorf("%s: not used: %v", path, f.Unused)
	}
	return f
}
