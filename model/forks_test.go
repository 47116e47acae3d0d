package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
)

// stable is Stable Diffusion's YAML in small, with gaps to fill.
const stable = `model:
  target: TARGET
  params:
    timesteps: 1000
    conditioning_key: KEY
    EXTRA
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: IN, out_channels: 4, model_channels: 32, attention_resolutions: [1], num_res_blocks: 1, channel_mult: [1],
        num_heads: 4, use_spatial_transformer: true, context_dim: 768, legacy: false}
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        STAGE
        ddconfig: {double_z: true, z_channels: 4, resolution: 64, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 1], num_res_blocks: 1, attn_resolutions: []}
    cond_stage_config: {target: ldm.modules.encoders.modules.FrozenCLIPEmbedder}
`

func filled(t *testing.T, gaps ...string) config.Target {
	t.Helper()
	usual := []string{"TARGET", config.TargetLatentDiffusion, "KEY", "crossattn", "IN", "4", "EXTRA", "monitor: x", "STAGE", "monitor: x"}
	target, err := model.ParseConfig("x.yaml", []byte(strings.NewReplacer(append(gaps, usual...)...).Replace(stable)))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// TestHybrid: models that are conditioned on texts and on pictures.
func TestHybrid(t *testing.T) {
	for _, c := range []struct{ target, in string }{
		{config.TargetLatentInpaint, "9"}, {config.TargetLatentEdit, "8"}, {"modules.models.diffusion.ddpm_edit.LatentDiffusion", "8"}, {config.TargetLatentDiffusion, "5"},
	} {
		net, err := model.New(filled(t, "TARGET", c.target, "KEY", "hybrid", "IN", c.in))
		if err != nil {
			t.Fatal(err)
		}
		g := graph.New()
		y := net.Denoise(nn.NewBuilder(g), net.DenoiserInputs(g, 1, 8, 8, 77))
		if g.Err() != nil || net.Key != model.KeyHybrid || !y.Shape().Equal([]int{1, 8, 8, 4}) {
			t.Errorf("%s: %v, %v", c.target, y.Shape(), g.Err())
		}
		specs, err := net.AllParams()
		at := slices.IndexFunc(specs, func(p nn.ParamSpec) bool { return p.Name == "model.diffusion_model.input_blocks.0.0.weight" })
		if err != nil || at < 0 || specs[at].Shape[1] != net.UNet.InChannels {
			t.Errorf("%s: %v", c.target, err)
		}
	}
	if _, err := model.New(filled(t, "KEY", "hybrid")); err == nil || !strings.Contains(err.Error(), "leaves no room") {
		t.Errorf("four channels: %v", err)
	}
}

// TestTrainingKeys: what matters to other programs' training alone is listed, and
// does not hinder anything.
func TestTrainingKeys(t *testing.T) {
	net, err := model.New(filled(t, "EXTRA", "personalization_config: {target: x, params: {a: 1}}\n    embedding_reg_weight: 0.0\n    reg_weight: 1.0\n    unfreeze_model: False\n    model_lr: 0.0\n    ckpt_path: x.ckpt",
		"STAGE", "ckpt_path: y.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	want := "ckpt_path embedding_reg_weight first_stage_config.params.ckpt_path model_lr personalization_config reg_weight unfreeze_model"
	slices.Sort(net.Ignored)
	if got := strings.Join(net.Ignored, " "); got != want {
		t.Errorf("ignored %s, want %s", got, want)
	}
	if _, err := model.New(filled(t, "EXTRA", "unfreeze_mode: false")); err == nil || !strings.HasPrefix(err.Error(), "x.yaml:6: unknown key model.params.unfreeze_mode") {
		t.Errorf("misspelt: %v", err)
	}
}

// TestPublishedForks: the YAMLs of others, where they are at hand.
func TestPublishedForks(t *testing.T) {
	dir := filepath.Join(golden.Folder(t), "..", "real", "configs")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no published configurations: ", err)
	}
	for name, want := range map[string]string{ // "" is accepted
		"justinpinkney-stable-diffusion__configs_stable-diffusion_sd-image-condition-finetune":                         "the picture encoder of image variations",
		"justinpinkney-stable-diffusion__configs_stable-diffusion_v1_improvedaesthetics":                               "",
		"justinpinkney-stable-diffusion__configs_stable-diffusion_inpainting_v1-finetune-for-inpainting-laion-iaesthe": "",
		"rinongal-textual_inversion__configs_stable-diffusion_v1-finetune":                                             "",
		"rinongal-textual_inversion__configs_latent-diffusion_txt2img-1p4B-finetune":                                   "",
		"XavierXiao-Dreambooth-Stable-Diffusion__configs_stable-diffusion_v1-inference":                                "",
		"Stability-AI-stablediffusion__configs_stable-diffusion_v2-inference":                                          "",
		"Stability-AI-stablediffusion__configs_stable-diffusion_v2-inference-v":                                        "",
		"Stability-AI-stablediffusion__configs_stable-diffusion_v2-midas-inference":                                    "Stable Diffusion v2",
		"Stability-AI-stablediffusion__configs_stable-diffusion_x4-upscaling":                                          "Stable Diffusion's upscaler by 4",
		"timothybrooks-instruct-pix2pix__configs_generate":                                                             "",
		"cvlab-columbia-zero123__zero123_configs_sd-objaverse-finetune-c_concat-256":                                   "zero-1-to-3",
		"CompVis-taming-transformers__configs_imagenet_vqgan":                                                          "",
		"CompVis-taming-transformers__configs_custom_vqgan":                                                            "",
		"joshellis625-ComfyUI__models_configs_anything_v3":                                                             "",
	} {
		target, err := model.ReadConfig(filepath.Join(dir, name+".yaml"))
		if err == nil {
			_, err = model.ParamsOf(target)
		}
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "first stage: ")) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

// TestRun: the YAML of a training run is no model's.
func TestRun(t *testing.T) {
	if _, err := model.ParseConfig("run.yaml", []byte("model: {target: x}\ntrain: {steps: 1}\n")); err == nil || !strings.Contains(err.Error(), "run.yaml configures a training run") {
		t.Errorf("error %v", err)
	}
}

// TestClipSkip: the layers that are left out are declared, as files hold them, and
// change nothing.
func TestClipSkip(t *testing.T) {
	const plain = "{target: ldm.modules.encoders.modules.FrozenCLIPEmbedder}"
	for text, want := range map[string]int{
		"{layer: hidden, layer_idx: -2}": 1, "{layer: hidden, layer_idx: 11}": 1, "{layer: hidden, layer_idx: -1}": 0, "{layer: last}": 0, "{freeze: true}": 0,
		"{layer: hidden, layer_idx: -12}": 11, "{layer: hidden}": -1, "{layer: hidden, layer_idx: 13}": -1, "{layer: hidden, layer_idx: 0}": -1, "{layer: pooled}": -1, "{layer_idx: -2}": -1,
	} {
		net, err := model.New(filled(t, plain, "{target: ldm.modules.encoders.modules.FrozenCLIPEmbedder, params: "+text+"}"))
		if (err == nil) != (want >= 0) || err == nil && net.CLIP.Skip != want {
			t.Errorf("%s: %v, want a skip of %d", text, err, want)
		}
	}
	whole, _ := model.ParamsOf(filled(t))
	skipped, err := model.ParamsOf(filled(t, plain, "{target: ldm.modules.encoders.modules.FrozenCLIPEmbedder, params: {layer: hidden, layer_idx: -2}}"))
	if err != nil || len(whole) != len(skipped) {
		t.Errorf("%d parameters, want %d (%v)", len(skipped), len(whole), err)
	}
}
