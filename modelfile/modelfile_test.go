package modelfile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// tiny is a model with labels; its structure can be told from its tensors.
const tiny = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.0015
    linear_end: 0.0195
    image_size: 8
    conditioning_key: crossattn
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [], dropout: 0.0}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, num_res_blocks: 1, attention_resolutions: [1],
        channel_mult: [1], num_heads: 8, use_spatial_transformer: true, context_dim: 32}
    cond_stage_config:
      target: ldm.modules.encoders.modules.ClassEmbedder
      params: {embed_dim: 32, n_classes: 5, key: class_label}
`

// weights are tensors of the tiny model, each filled with a number of its own.
func weights(t *testing.T, yaml string) map[string]*tensor.Tensor {
	t.Helper()
	target, err := model.ParseConfig("tiny", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	specs, err := model.ParamsOf(target)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*tensor.Tensor{}
	for i, s := range specs {
		x := tensor.New(s.Shape...)
		for j := range x.F32 {
			x.F32[j] = float32(i + 1)
		}
		out[s.Name] = x
	}
	return out
}

// saved writes tensors, as the reference has them: without a configuration.
func saved(t *testing.T, tensors map[string]*tensor.Tensor, meta map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := checkpoint.Save(path, tensors, meta, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a model's weights, with what was said.
func load(t *testing.T, path string, o modelfile.Options) (map[string]*tensor.Tensor, string, error) {
	t.Helper()
	var said []string
	o.Log = func(line string) { said = append(said, line) }
	f, err := modelfile.Open(path, o)
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { f.Close() })
	net, err := f.Network()
	if err != nil {
		return nil, "", err
	}
	vars, err := f.Weights(net)
	return vars, strings.Join(said, "\n"), err
}

// averaged adds averages of some parameters, under names that a function gives.
func averaged(tensors map[string]*tensor.Tensor, share float64, name func(string) string) map[string]*tensor.Tensor {
	out := maps.Clone(tensors)
	var unet []string
	for n := range tensors {
		if strings.HasPrefix(n, "model.") {
			unet = append(unet, n)
		}
	}
	slices.Sort(unet)
	for _, n := range unet[:int(share*float64(len(unet)))] {
		x := tensors[n].Clone()
		for i := range x.F32 {
			x.F32[i] = -x.F32[i]
		}
		out[name(n)] = x
	}
	out["model_ema.decay"], out["model_ema.num_updates"] = tensor.New(), tensor.New()
	return out
}

func TestAverages(t *testing.T) {
	plain := weights(t, tiny)
	usual := func(n string) string { name, _ := model.EMAName(n); return name }
	dotted := func(n string) string { return "model_ema." + strings.TrimPrefix(n, "model.") }
	wrong := averaged(plain, 1, usual)
	average := usual("model.diffusion_model.out.2.weight")
	wrong[average] = tensor.New(3)
	alone := averaged(plain, 1, usual)
	maps.DeleteFunc(alone, func(n string, _ *tensor.Tensor) bool { return strings.HasPrefix(n, "model.") })
	for _, c := range []struct {
		what    string
		tensors map[string]*tensor.Tensor
		w       modelfile.Weights
		sign    float32 // of the weights that are read
		says    string  // or the error where the sign is 0
	}{
		{"none", plain, modelfile.WeightsAuto, 1, ""},
		{"none", plain, modelfile.WeightsEMA, 0, "no averaged weights"},
		{"all", averaged(plain, 1, usual), modelfile.WeightsAuto, -1, "using the averaged ones"},
		{"all", averaged(plain, 1, usual), modelfile.WeightsRaw, 1, ""},
		{"dotted", averaged(plain, 1, dotted), modelfile.WeightsAuto, -1, "using the averaged ones"},
		{"dotted", averaged(plain, 1, dotted), modelfile.WeightsEMA, -1, ""},
		{"counters", averaged(plain, 0, usual), modelfile.WeightsAuto, 1, "what counts averages"},
		{"counters", averaged(plain, 0, usual), modelfile.WeightsEMA, 0, "no averaged weights"},
		{"half", averaged(plain, .5, usual), modelfile.WeightsAuto, 1, "averaged weights: using the plain ones"},
		{"half", averaged(plain, .5, usual), modelfile.WeightsEMA, 0, "--weights raw"},
		{"half dotted", averaged(plain, .5, dotted), modelfile.WeightsAuto, 1, "averaged weights: using the plain ones"},
		{"one of another shape", wrong, modelfile.WeightsAuto, 1, "averaged weights: using the plain ones"},
		{"averages alone", alone, modelfile.WeightsEMA, -1, ""},
	} {
		yaml := filepath.Join(t.TempDir(), "c.yaml")
		os.WriteFile(yaml, []byte(tiny), 0o644)
		vars, said, err := load(t, saved(t, c.tensors, nil), modelfile.Options{Config: yaml, Weights: c.w})
		if c.sign == 0 {
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %s: error %v, want %q", c.what, c.w, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %s: %v", c.what, c.w, err)
			continue
		}
		const probe = "model.diffusion_model.out.2.weight"
		if got := vars[probe].F32[0]; got != c.sign*plain[probe].F32[0] || !strings.Contains(said, c.says) {
			t.Errorf("%s, %s: %g, want %g; said %q", c.what, c.w, got, c.sign*plain[probe].F32[0], said)
		}
	}
}

// TestMarks: keys that say by being there what shapes do not.
func TestMarks(t *testing.T) {
	tensors := weights(t, tiny)
	tensors[model.NameV], tensors[model.NameZeroSNR] = tensor.New(), tensor.New()
	path := saved(t, tensors, nil)
	explicit := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(explicit, []byte(strings.Replace(tiny, "image_size: 8", "parameterization: x0", 1)), 0o644)
	silent := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(silent, []byte(tiny), 0o644)
	for yaml, want := range map[string]string{"": "v true", silent: "v true", explicit: "x0 true"} {
		f, err := modelfile.Open(path, modelfile.Options{Config: yaml})
		if err != nil {
			t.Fatal(err)
		}
		net, err := f.Network()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(net.Params.Parameterization, " ", net.Params.ZeroSNR); got != want {
			t.Errorf("%s: %s, want %s", yaml, got, want)
		}
		if _, err := f.Weights(net); err != nil {
			t.Error(err)
		}
		f.Close()
	}
}

// TestStages: a first stage alone, wherever its tensors lie.
func TestStages(t *testing.T) {
	whole := weights(t, tiny)
	yaml := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(yaml, []byte(tiny), 0o644)
	for _, prefix := range []string{"", "first_stage_model.", "vae."} {
		tensors := map[string]*tensor.Tensor{}
		for name, x := range whole {
			if rest, ok := strings.CutPrefix(name, "first_stage_model."); ok {
				if strings.Contains(rest, "attn_1") && len(x.Shape) == 4 {
					x = tensor.Of(x.F32, x.Shape[:2]...) // as diffusers stores it
				}
				tensors[prefix+rest] = x
			}
		}
		if prefix != "" {
			tensors["cond_stage_model.transformer.x"] = tensor.New(2)
		}
		for _, config := range []string{"", yaml} {
			f, err := modelfile.Open(saved(t, tensors, nil), modelfile.Options{Config: config})
			if err != nil {
				t.Fatalf("%q: %v", prefix, err)
			}
			cfg, vars, err := f.FirstStage()
			if _, networkErr := f.Network(); config == "" && (networkErr == nil || !strings.Contains(networkErr.Error(), "is a KL first stage alone")) {
				t.Errorf("%q as a whole model: %v", prefix, networkErr)
			}
			if err != nil || cfg.Factor() != 2 || vars["encoder.mid.attn_1.q.weight"].F32[0] != whole["first_stage_model.encoder.mid.attn_1.q.weight"].F32[0] {
				t.Errorf("%q with %q: factor %d, %v", prefix, config, cfg.Factor(), err)
			}
			f.Close()
		}
	}
}

// novelAI is a model with CLIP's text tower.
var novelAI = strings.NewReplacer("context_dim: 32", "context_dim: 768", "ClassEmbedder\n      params: {embed_dim: 32, n_classes: 5, key: class_label}", "FrozenCLIPEmbedder").Replace(tiny)

// TestNovelAI: the text tower without text_model, with a YAML and without.
func TestNovelAI(t *testing.T) {
	if testing.Short() {
		t.Skip("writes half a gigabyte")
	}
	tensors := map[string]*tensor.Tensor{}
	for name, x := range weights(t, novelAI) {
		tensors[strings.Replace(name, "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.", 1)] = x
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := checkpoint.Save(path, tensors, nil, checkpoint.BF16); err != nil {
		t.Fatal(err)
	}
	yaml := path + ".yaml"
	os.WriteFile(yaml, []byte(novelAI), 0o644)
	for _, config := range []string{"", yaml} {
		vars, _, err := load(t, path, modelfile.Options{Config: config})
		if err != nil || vars["cond_stage_model.transformer.text_model.final_layer_norm.bias"] == nil {
			t.Errorf("with %q: %v", config, err)
		}
	}
}

// TestFolders: what folders are, and what to give instead.
func TestFolders(t *testing.T) {
	path := saved(t, weights(t, tiny), nil)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(saved(t, map[string]*tensor.Tensor{"x": tensor.New(1)}, map[string]string{"ldm.step": "7", "ldm.config": "train: {}"}))
	if err != nil {
		t.Fatal(err)
	}
	component := func(class string) []byte {
		text, _ := json.Marshal(map[string]any{"_class_name": class})
		return text
	}
	fsys := fstest.MapFS{
		"run/model.safetensors": {Data: raw}, "run/checkpoint.safetensors": {Data: state}, "run/config.yaml": {Data: []byte("model: {target: x}\ntrain: {steps: 1}\n")}, "run/bare.safetensors": {Data: raw},
		"one/some name.safetensors": {Data: raw}, "one/.hidden.ckpt": {Data: raw}, "one/notes.txt": {Data: []byte("x")},
		"two/a.safetensors": {Data: raw}, "two/b.ckpt": {Data: raw},
		"none/x.txt": {Data: []byte("x")}, "unet/config.json": {Data: component("UNet2DConditionModel")},
		"text/config.json": {Data: []byte(`{"architectures": ["CLIPTextModel"]}`)}, "scheduler/scheduler_config.json": {Data: []byte("{}")},
	}
	for name, want := range map[string]string{
		"run": "", "run/model.safetensors": "", "run/bare.safetensors": "", "one": "", "one/some name.safetensors": "",
		"run/checkpoint.safetensors": "is the state of a training run at step 7, which that run goes on from: give model.safetensors beside it",
		"two":                        "holds 2 model files: give one of a.safetensors, b.ckpt", "none": "is a folder without a model",
		"unet": "is one component of a model (UNet2DConditionModel): give the folder above it", "text": "(CLIPTextModel)", "scheduler": "(a scheduler)",
	} {
		f, err := modelfile.OpenFS(fsys, name, modelfile.Options{})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !errors.Is(err, fault.Input)) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		if err == nil {
			if n, err := f.Fits(); err != nil || n == 0 {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			f.Close()
		}
	}
}

// TestFits: the comparison with a configuration lists what differs.
func TestFits(t *testing.T) {
	tensors := weights(t, tiny)
	delete(tensors, "model.diffusion_model.out.2.bias")
	tensors["model.diffusion_model.out.9.bias"] = tensor.New(1)
	tensors["model.diffusion_model.out.2.weight"] = tensor.New(5)
	tensors["cond_stage_model.logit_scale"] = tensor.New() // a leftover hinders nothing
	yaml := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(yaml, []byte(tiny), 0o644)
	f, err := modelfile.Open(saved(t, tensors, nil), modelfile.Options{Config: yaml})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Fits()
	for _, want := range []string{"1 missing: model.diffusion_model.out.2.bias", "1 wrongly shaped: model.diffusion_model.out.2.weight is [5]", "1 unexpected: model.diffusion_model.out.9.bias"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestNoModel: a YAML without a model is not passed over.
func TestNoModel(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "c.yaml")
	for _, text := range []string{"", "data: {a: 1}\n", "model: {params: {}}\n"} {
		os.WriteFile(yaml, []byte(text), 0o644)
		if _, err := modelfile.Open(saved(t, weights(t, tiny), nil), modelfile.Options{Config: yaml}); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), yaml+" has no model.target") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestIgnored: keys of other programs' training are said to be left out.
func TestIgnored(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(yaml, []byte(strings.Replace(tiny, "    image_size", "    personalization_config: {target: x}\n    image_size", 1)), 0o644)
	_, said, err := load(t, saved(t, weights(t, tiny), nil), modelfile.Options{Config: yaml})
	if err != nil || !strings.Contains(said, "ignored: personalization_config") {
		t.Errorf("%v; said %q", err, said)
	}
}

// shouting is a reader that an application makes: what it reads is changed.
type shouting struct{ checkpoint.Reader }

func (s shouting) View(name string) (*tensor.Tensor, error) {
	x, err := s.Reader.Read(name)
	if err == nil {
		for i := range x.F32 {
			x.F32[i] *= 2
		}
	}
	return x, err
}

// TestWrap: a reader of an application's own, over a file or a folder.
func TestWrap(t *testing.T) {
	tensors := weights(t, tiny)
	vars, _, err := load(t, saved(t, tensors, nil), modelfile.Options{Wrap: func(r checkpoint.Reader) checkpoint.Reader { return shouting{r} }})
	const probe = "model.diffusion_model.out.2.weight"
	if err != nil || vars[probe].F32[0] != 2*tensors[probe].F32[0] {
		t.Errorf("%v", err)
	}
}
