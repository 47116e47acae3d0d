package ldm

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// openCLIPOverrides make the tiny model one like Stable Diffusion v2.
var openCLIPOverrides = []string{
	tinyParams + "parameterization=v", tinyUNet + "context_dim=64", tinyUNet + "use_linear_in_transformer=true", tinyUNet + "legacy=false",
	tinyParams + "cond_stage_config={target: " + config.TargetFrozenOpenCLIP + ", params: {layer: penultimate, width: 64, heads: 1, layers: 3}}",
}

// TestOpenCLIP: a file like Stable Diffusion v2's, with OpenCLIP's names, is recognised
// without its configuration, takes prompts, and needs no last layer of its text encoder.
func TestOpenCLIP(t *testing.T) {
	if testing.Short() {
		t.Skip("has large text encoders")
	}
	net := tinyNetwork(t, openCLIPOverrides...)
	weights := tinyWeights(t, net)
	picture := func(path string, o modelfile.Options) []float32 {
		t.Helper()
		m, err := Open(path, Options{File: o})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if tok, ok := m.tokenizer.(*token.BPE); !ok || tok.Pad != 0 {
			t.Errorf("texts are filled up with %+v", m.tokenizer)
		}
		if o.Prediction != "" && m.net.Schedule.Parameterization != diffusion.V {
			t.Errorf("it predicts %s", m.net.Schedule.Parameterization)
		}
		out, err := m.Generate(t.Context(), Request{Condition: Prompt("a (red:1.2) apple"), Seeds: []uint64{3}, Steps: 2})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Pixels.F32)
	}
	bare := save(t, weights, checkpoint.F32)
	v := picture(bare, modelfile.Options{Prediction: "v"})
	if slices.Equal(v, picture(bare, modelfile.Options{})) {
		t.Error("the prediction has no effect")
	}
	text, err := config.Dump(map[string]any{"model": tinyTarget(t, openCLIPOverrides...)})
	if err != nil {
		t.Fatal(err)
	}
	yaml := filepath.Join(t.TempDir(), "model.yaml")
	writeFile(t, yaml, text)
	short := maps.Clone(weights)
	maps.DeleteFunc(short, func(name string, _ *tensor.Tensor) bool { return strings.Contains(name, "resblocks.2.") })
	told := picture(bare, modelfile.Options{Config: yaml})
	if !slices.Equal(told, picture(save(t, short, checkpoint.F32), modelfile.Options{Config: yaml})) {
		t.Error("without the last layer the picture is another one")
	}
	if _, err := Open(bare, Options{File: modelfile.Options{Config: filepath.Join(t.TempDir(), "none.yaml")}}); err == nil {
		t.Error("no configuration was read")
	}
}
