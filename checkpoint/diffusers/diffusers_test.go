package diffusers

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// model is a LatentDiffusion's configuration, decoded strictly.
type model struct {
	diffusion.Config `yaml:",inline"`

	ScaleFactor     float64       `yaml:"scale_factor"`
	ConditioningKey string        `yaml:"conditioning_key"`
	CondStageKey    string        `yaml:"cond_stage_key"`
	CondStageTrain  bool          `yaml:"cond_stage_trainable"`
	ImageSize       int           `yaml:"image_size"`
	Channels        int           `yaml:"channels"`
	UseEMA          bool          `yaml:"use_ema"`
	UNet            config.Target `yaml:"unet_config"`
	FirstStage      config.Target `yaml:"first_stage_config"`
	CondStage       config.Target `yaml:"cond_stage_config"`
}

// parts are the decoded configurations of a model's parts.
type parts struct {
	model
	unet unet.Config
	kl   autoencoder.Config
	bert conditioner.Transformer
}

func open(t *testing.T, files fs.FS) *Layout {
	t.Helper()
	l, err := Open("sd", files)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func decode(t *testing.T, l *Layout) (p parts) {
	t.Helper()
	p.unet = unet.Default()
	if err := l.Target.Decode(&p.model); err != nil {
		t.Fatal(err)
	}
	if p.FirstStage.Target == config.TargetVQModelInterface {
		p.kl.Kind = autoencoder.VQ
	}
	for _, d := range []struct {
		target config.Target
		dst    any
	}{{p.UNet, &p.unet}, {p.FirstStage, &p.kl}, {p.CondStage, &p.bert}} {
		if err := d.target.Decode(d.dst); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.unet.Validate(); err != nil {
		t.Error(err)
	}
	if err := p.kl.Validate(); err != nil {
		t.Error(err)
	}
	return p
}

// params are the parameters of a model, U-Net, first stage and conditioner.
func (p parts) params(t *testing.T) (counts [3]int, names []string) {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	f := p.unet.Factor()
	p.unet.Build(b.In("model").In("diffusion_model"), unet.Inputs{
		X: g.Input("x", 1, f, f, p.unet.InChannels), T: g.Input("t", 1), Context: g.Input("context", 1, 1, p.unet.ContextDim)})
	counts[0] = len(b.Params())
	f = p.kl.Factor()
	p.kl.Encode(b.In("first_stage_model"), g.Input("picture", 1, f, f, p.kl.DD.InChannels))
	p.kl.Decode(b.In("first_stage_model"), g.Input("z", 1, 1, 1, p.kl.EmbedDim))
	counts[1] = len(b.Params()) - counts[0]
	if tokens := g.IntInput("tokens", 1, 8); p.CondStage.Target == config.TargetFrozenCLIP {
		conditioner.ViTL14.Build(b.In("cond_stage_model"), tokens)
	} else {
		p.bert.Build(b.In("cond_stage_model"), tokens)
	}
	counts[2] = len(b.Params()) - counts[0] - counts[1]
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	for _, s := range b.Params() {
		names = append(names, s.Name)
	}
	return counts, names
}

// checkNames checks that every parameter has names, and none twice.
func checkNames(t *testing.T, l *Layout, names []string) {
	t.Helper()
	taken := map[string]string{}
	for _, ours := range names {
		folder, theirs, ok := l.Name(ours)
		if !ok || len(theirs) == 0 {
			t.Errorf("%s has no counterpart", ours)
		}
		for _, n := range theirs {
			if other := taken[folder+" "+n]; other != "" {
				t.Errorf("%s and %s are both %s in %s", ours, other, n, folder)
			}
			taken[folder+" "+n] = ours
			if strings.Contains(n, "..") || n == "" {
				t.Errorf("%s is %q", ours, n)
			}
		}
	}
}

func TestStableDiffusion(t *testing.T) {
	l := open(t, stableDiffusion())
	p := decode(t, l)
	counts, names := p.params(t)
	if want := [3]int{686, 248, 196}; counts != want {
		t.Errorf("%v tensors: want %v", counts, want)
	}
	checkNames(t, l, names)

	no := false
	want := unet.Config{ImageSize: 64, InChannels: 4, ModelChannels: 320, OutChannels: 4, NumResBlocks: 2, AttentionResolutions: []int{4, 2, 1},
		ChannelMult: []int{1, 2, 4, 4}, Dims: 2, NumHeads: 8, NumHeadChannels: -1, NumHeadsUpsample: -1,
		UseSpatialTransformer: true, TransformerDepth: 1, ContextDim: 768, Legacy: &no}
	if !reflect.DeepEqual(p.unet, want) {
		t.Errorf("U-Net %+v: want %+v", p.unet, want)
	}
	wantKL := autoencoder.Config{EmbedDim: 4, DD: autoencoder.DDConfig{DoubleZ: true, ZChannels: 4, Resolution: 512, InChannels: 3, OutCh: 3,
		Ch: 128, ChMult: []int{1, 2, 4, 4}, NumResBlocks: 2, AttnResolutions: []int{}}}
	if !reflect.DeepEqual(p.kl, wantKL) {
		t.Errorf("first stage %+v: want %+v", p.kl, wantKL)
	}
	wantDiffusion := diffusion.Config{Timesteps: 1000, BetaSchedule: diffusion.Linear, LinearStart: 0.00085, LinearEnd: 0.012, Parameterization: diffusion.Eps}
	if !reflect.DeepEqual(p.Config, wantDiffusion) || p.ScaleFactor != 0.18215 || p.ConditioningKey != "crossattn" || p.ImageSize != 64 || p.Channels != 4 {
		t.Errorf("model %+v", p.model)
	}
	if len(l.Assumed) != 1 || !strings.Contains(l.Assumed[0], "scaling_factor") {
		t.Errorf("assumed %q: want the scaling factor alone", l.Assumed)
	}
}

func TestParts(t *testing.T) {
	type part struct {
		folder, prefix string
		files          []string
	}
	var got []part
	for _, p := range open(t, stableDiffusion()).Parts {
		got = append(got, part{p.Folder, p.Prefix, p.Files})
	}
	want := []part{
		{"unet", "model.diffusion_model.", []string{"unet/diffusion_pytorch_model.safetensors"}},
		{"vae", "first_stage_model.", []string{"vae/diffusion_pytorch_model.fp16.safetensors"}},
		{"text_encoder", "cond_stage_model.", []string{"text_encoder/pytorch_model.bin"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parts %v: want %v", got, want)
	}
}

func TestNames(t *testing.T) {
	l := open(t, stableDiffusion())
	for _, c := range []struct{ ours, folder, theirs string }{
		{"model.diffusion_model.time_embed.2.bias", "unet", "time_embedding.linear_2.bias"},
		{"model.diffusion_model.input_blocks.0.0.weight", "unet", "conv_in.weight"},
		{"model.diffusion_model.input_blocks.1.0.in_layers.0.weight", "unet", "down_blocks.0.resnets.0.norm1.weight"},
		{"model.diffusion_model.input_blocks.2.1.proj_in.weight", "unet", "down_blocks.0.attentions.1.proj_in.weight"},
		{"model.diffusion_model.input_blocks.3.0.op.weight", "unet", "down_blocks.0.downsamplers.0.conv.weight"},
		{"model.diffusion_model.input_blocks.4.0.skip_connection.bias", "unet", "down_blocks.1.resnets.0.conv_shortcut.bias"},
		{"model.diffusion_model.input_blocks.9.0.op.bias", "unet", "down_blocks.2.downsamplers.0.conv.bias"},
		{"model.diffusion_model.input_blocks.11.0.emb_layers.1.weight", "unet", "down_blocks.3.resnets.1.time_emb_proj.weight"},
		{"model.diffusion_model.middle_block.0.out_layers.3.weight", "unet", "mid_block.resnets.0.conv2.weight"},
		{"model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_out.0.bias", "unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.bias"},
		{"model.diffusion_model.middle_block.2.out_layers.0.weight", "unet", "mid_block.resnets.1.norm2.weight"},
		{"model.diffusion_model.output_blocks.2.1.conv.weight", "unet", "up_blocks.0.upsamplers.0.conv.weight"},
		{"model.diffusion_model.output_blocks.5.2.conv.weight", "unet", "up_blocks.1.upsamplers.0.conv.weight"},
		{"model.diffusion_model.output_blocks.11.0.in_layers.2.weight", "unet", "up_blocks.3.resnets.2.conv1.weight"},
		{"model.diffusion_model.output_blocks.11.1.norm.weight", "unet", "up_blocks.3.attentions.2.norm.weight"},
		{"model.diffusion_model.out.0.weight", "unet", "conv_norm_out.weight"},
		{"model.diffusion_model.out.2.weight", "unet", "conv_out.weight"},
		{"first_stage_model.encoder.down.0.block.0.norm1.weight", "vae", "encoder.down_blocks.0.resnets.0.norm1.weight"},
		{"first_stage_model.encoder.down.1.block.0.nin_shortcut.weight", "vae", "encoder.down_blocks.1.resnets.0.conv_shortcut.weight"},
		{"first_stage_model.encoder.down.2.downsample.conv.bias", "vae", "encoder.down_blocks.2.downsamplers.0.conv.bias"},
		{"first_stage_model.encoder.mid.attn_1.q.weight", "vae", "encoder.mid_block.attentions.0.to_q.weight encoder.mid_block.attentions.0.query.weight"},
		{"first_stage_model.decoder.mid.attn_1.proj_out.bias", "vae", "decoder.mid_block.attentions.0.to_out.0.bias decoder.mid_block.attentions.0.proj_attn.bias"},
		{"first_stage_model.decoder.mid.attn_1.norm.bias", "vae", "decoder.mid_block.attentions.0.group_norm.bias"},
		{"first_stage_model.decoder.mid.block_2.conv1.bias", "vae", "decoder.mid_block.resnets.1.conv1.bias"},
		{"first_stage_model.decoder.up.0.block.2.conv2.weight", "vae", "decoder.up_blocks.3.resnets.2.conv2.weight"},
		{"first_stage_model.decoder.up.3.upsample.conv.weight", "vae", "decoder.up_blocks.0.upsamplers.0.conv.weight"},
		{"first_stage_model.decoder.norm_out.weight", "vae", "decoder.conv_norm_out.weight"},
		{"first_stage_model.post_quant_conv.weight", "vae", "post_quant_conv.weight"},
		{"cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc1.weight", "text_encoder", "text_model.encoder.layers.11.mlp.fc1.weight encoder.layers.11.mlp.fc1.weight"},
	} {
		folder, names, ok := l.Name(c.ours)
		if got := strings.Join(names, " "); !ok || folder != c.folder || got != c.theirs {
			t.Errorf("%s is %s %s: want %s %s", c.ours, folder, got, c.folder, c.theirs)
		}
	}
	for _, ours := range []string{
		"", "weight", "betas", "model_ema.decay", "model.diffusion_model.", "model.diffusion_model.weight",
		"model.diffusion_model.input_blocks.3.1.norm.weight", "model.diffusion_model.input_blocks.12.0.in_layers.0.weight",
		"model.diffusion_model.output_blocks.2.2.conv.weight", "model.diffusion_model.output_blocks.11.2.conv.weight",
		"model.diffusion_model.input_blocks.1.0.in_layers.1.weight", "model.diffusion_model.input_blocks.1.0.in_layers.0.scale",
		"first_stage_model.quantize.embedding.weight", "first_stage_model.decoder.up.0.upsample.conv.weight",
		"first_stage_model.encoder.down.0.attn.0.q.weight", "cond_stage_model.text_model.final_layer_norm.weight",
	} {
		if _, names, ok := l.Name(ours); ok {
			t.Errorf("%q is %v: want no counterpart", ours, names)
		}
	}
	if _, _, ok := (&Layout{}).Name("betas"); ok {
		t.Error("an empty layout has names")
	}
}

func TestTextToImage(t *testing.T) {
	l := open(t, textToImage())
	p := decode(t, l)
	counts, names := p.params(t)
	if want := [3]int{686, 248, 6 + 13*32}; counts != want {
		t.Errorf("%v tensors: want %v", counts, want)
	}
	checkNames(t, l, names)
	if want := (conditioner.Transformer{NEmbed: 1280, NLayer: 32, VocabSize: 30522, MaxSeqLen: 77}); p.bert != want {
		t.Errorf("text transformer %+v: want %+v", p.bert, want)
	}
	if len(l.Assumed) != 2 || !strings.Contains(l.Assumed[1], "0.00085") || !strings.Contains(l.Assumed[1], scheduleName) {
		t.Errorf("assumed %q: want the scaling factor and the schedule", l.Assumed)
	}
	for ours, theirs := range map[string]string{
		"token_emb.weight":                      "model.embed_tokens.weight",
		"pos_emb.emb.weight":                    "model.embed_positions.weight",
		"attn_layers.layers.0.0.weight":         "model.layers.0.self_attn_layer_norm.weight",
		"attn_layers.layers.62.1.to_q.weight":   "model.layers.31.self_attn.q_proj.weight",
		"attn_layers.layers.2.1.to_out.bias":    "model.layers.1.self_attn.out_proj.bias",
		"attn_layers.layers.63.0.bias":          "model.layers.31.final_layer_norm.bias",
		"attn_layers.layers.1.1.net.0.0.weight": "model.layers.0.fc1.weight",
		"attn_layers.layers.1.1.net.2.bias":     "model.layers.0.fc2.bias",
		"norm.weight":                           "model.layer_norm.weight",
		"to_logits.weight":                      "to_logits.weight",
	} {
		folder, names, _ := l.Name("cond_stage_model.transformer." + ours)
		if folder != "bert" || !slices.Equal(names, []string{theirs}) {
			t.Errorf("%s is %s %v: want bert %s", ours, folder, names, theirs)
		}
	}
}

// TestQuantized reads a VQModel with attention at its last level, and heads
// that are not the usual ones.
func TestQuantized(t *testing.T) {
	files := textToImage()
	vq := replace(sdVAE, `"AutoencoderKL"`, `"VQModel", "num_vq_embeddings": 16384, "vq_embed_dim": 4, "scaling_factor": 1.0`)
	vq = replace(vq, `"DownEncoderBlock2D"]`, `"AttnDownEncoderBlock2D"]`)
	vq = replace(vq, `["UpDecoderBlock2D"`, `["AttnUpDecoderBlock2D"`)
	files["vqvae/config.json"] = file(replace(vq, `"latent_channels": 4`, `"latent_channels": 8`))
	files["bert/config.json"] = file(replace(ldmBert, `"head_dim": 64`, `"head_dim": 32`))
	l := open(t, files)
	p := decode(t, l)
	if p.kl.NEmbed != 16384 || p.kl.EmbedDim != 4 || p.kl.DD.ZChannels != 8 || p.kl.DD.DoubleZ || !slices.Equal(p.kl.DD.AttnResolutions, []int{64}) {
		t.Errorf("first stage %+v", p.kl)
	}
	if p.bert.HeadDim != 32 || p.ScaleFactor != 1 {
		t.Errorf("head_dim %d, scale_factor %g: want 32, 1", p.bert.HeadDim, p.ScaleFactor)
	}
	_, names := p.params(t)
	checkNames(t, l, names)
	for ours, theirs := range map[string]string{
		"encoder.down.3.attn.1.k.weight": "encoder.down_blocks.3.attentions.1.to_k.weight",
		"decoder.up.3.attn.2.v.weight":   "decoder.up_blocks.0.attentions.2.to_v.weight",
		"quantize.embedding.weight":      "quantize.embedding.weight",
	} {
		if _, names, ok := l.Name("first_stage_model." + ours); !ok || names[0] != theirs {
			t.Errorf("%s is %v: want %s", ours, names, theirs)
		}
	}
}
