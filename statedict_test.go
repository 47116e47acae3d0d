package ldm

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// TestScaleFactor: the number in the file counts, not the configuration's.
func TestScaleFactor(t *testing.T) {
	tensors := tinyWeights(t, tinyNetwork(t))
	factor := tensor.New()
	factor.F32[0] = .25
	tensors[model.NameScaleFactor] = factor
	path := save(t, tensors, checkpoint.F32)
	yaml := writeConfig(t, path+".yaml", tinyParams+"scale_by_std=true", tinyParams+"scale_factor=1.0")
	s, err := modelfile.Open(path, modelfile.Options{Config: yaml})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	net, err := s.Network()
	if err != nil || net.ScaleFactor != .25 {
		t.Fatalf("scale factor %v, error %v", net, err)
	}
	m := open(t, path, modelfile.Options{Config: yaml})
	z := random(1, 1, 2, 2, 4)
	got, err := m.decode(t.Context(), z)
	if err != nil {
		t.Fatal(err)
	}
	for i := range z.F32 {
		z.F32[i] *= 4
	}
	want, err := m.stage.Decode(t.Context(), z)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the picture", got.F32, want.F32)
	for _, bad := range []float32{0, -1} {
		factor.F32[0] = bad
		path := save(t, tensors, checkpoint.F32)
		if _, err := Open(path, Options{Engine: cpu.New(cpu.Options{})}); err == nil || !strings.Contains(err.Error(), "want one positive number") {
			t.Errorf("scale factor %g: error %v", bad, err)
		}
	}
}

// TestAverageNames: the dots fall out behind "model.", and only names below it
// have averages.
func TestAverageNames(t *testing.T) {
	for name, want := range map[string]string{
		"model.diffusion_model.input_blocks.4.1.qkv.weight": "model_ema.diffusion_modelinput_blocks41qkvweight",
		"model.diffusion_model.out.2.bias":                  "model_ema.diffusion_modelout2bias",
		"cond_stage_model.embedding.weight":                 "",
		"first_stage_model.encoder.conv_in.weight":          "",
	} {
		if got, ok := model.EMAName(name); ok != (want != "") || ok && got != want {
			t.Errorf("%s: average %q (%t), want %q", name, got, ok, want)
		}
	}
	seen := map[string]string{}
	for _, name := range sortedNames(tinyWeights(t, tinyNetwork(t))) {
		if average, ok := model.EMAName(name); ok {
			if other := seen[average]; other != "" {
				t.Errorf("%s and %s have one average", name, other)
			}
			seen[average] = name
		}
	}
}
