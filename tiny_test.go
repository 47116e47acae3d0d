package ldm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// tinyYAML is a latent diffusion model of 32 channels with a KL first stage and
// labels. Its heads and its schedule are those that are assumed where nothing
// says them.
const tinyYAML = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.0015
    linear_end: 0.0195
    image_size: 8
    channels: 4
    conditioning_key: crossattn
    cond_stage_key: class_label
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [], dropout: 0.0}
        lossconfig: {target: torch.nn.Identity}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, num_res_blocks: 1, attention_resolutions: [2, 1],
        channel_mult: [1, 2], num_heads: 8, use_spatial_transformer: true, transformer_depth: 1, context_dim: 32}
    cond_stage_config:
      target: ldm.modules.encoders.modules.ClassEmbedder
      params: {embed_dim: 32, n_classes: 5, key: class_label}
`

// Overrides of tinyYAML begin with these.
const (
	tinyParams = "model.params."
	tinyUNet   = tinyParams + "unet_config.params."
	tinyText   = tinyParams + "cond_stage_config={target: " + config.TargetTransformer + ", params: {n_embed: 32, n_layer: 1, max_seq_len: 6}}"
)

// tinyTarget is the tiny model's configuration with overrides.
func tinyTarget(t *testing.T, overrides ...string) config.Target {
	t.Helper()
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, "tiny.yaml", []byte(tinyYAML), overrides); err != nil {
		t.Fatal(err)
	}
	return file.Model
}

func tinyNetwork(t *testing.T, overrides ...string) *model.Network {
	t.Helper()
	net, err := model.New(tinyTarget(t, overrides...))
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// tinyWeights are weights without zeros, functions of their names.
func tinyWeights(t *testing.T, net *model.Network) engine.Vars {
	t.Helper()
	specs, err := net.AllParams()
	if err != nil {
		t.Fatal(err)
	}
	vars := engine.Vars{}
	for _, s := range specs {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	return vars
}

// tinyModel is the tiny model in memory.
func tinyModel(t *testing.T, overrides ...string) *Model {
	t.Helper()
	net := tinyNetwork(t, overrides...)
	return inMemory(t, net, tinyTarget(t, overrides...), nil, tinyWeights(t, net))
}

// inMemory is a model of weights in memory.
func inMemory(t *testing.T, net *model.Network, target config.Target, tok token.Tokenizer, vars engine.Vars) *Model {
	t.Helper()
	eng := device.Engine(t)
	w, err := eng.Load(vars, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return New(net, target, tok, w, Options{Engine: eng})
}

// weightOf is the value of a model's parameter.
func weightOf(t *testing.T, m *Model, name string) *tensor.Tensor {
	t.Helper()
	vars, err := m.weights.Pull(name)
	if err != nil {
		t.Fatal(err)
	}
	return vars[name]
}

// save writes tensors to a new folder, without a configuration.
func save(t *testing.T, tensors map[string]*tensor.Tensor, d checkpoint.DType) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := checkpoint.Save(path, tensors, nil, d); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeConfig writes the tiny model's YAML.
func writeConfig(t *testing.T, path string, overrides ...string) string {
	t.Helper()
	text, err := model.DumpConfig(tinyTarget(t, overrides...))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, text)
	return path
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What tests of networks share.
var (
	random = nettest.Random
	near   = nettest.Near
)

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
