package recognise_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/unet"
)

// tiny is a small model: the unconditional one that the tests vary.
func tiny() parts {
	p := parts{unet: unet.Default(), cond: config.Target{Target: "__is_unconditional__"}}
	p.unet.InChannels, p.unet.OutChannels, p.unet.ModelChannels, p.unet.NumResBlocks = 4, 4, 32, 1
	p.unet.ChannelMult, p.unet.AttentionResolutions, p.unet.NumHeads = []int{1, 2, 3}, []int{2}, 8
	p.stage = autoencoder.Config{Kind: autoencoder.KL, EmbedDim: 4, DD: autoencoder.DDConfig{
		DoubleZ: true, ZChannels: 6, Resolution: 256, InChannels: 3, OutCh: 3, Ch: 32, ChMult: []int{1, 2}, NumResBlocks: 1, AttnResolutions: []int{128}}}
	return p
}

func crossAttention(p *parts) {
	p.unet.UseSpatialTransformer, p.unet.ContextDim, p.unet.TransformerDepth = true, 40, 2
}

func encoder(class string, params map[string]any) config.Target {
	return config.Target{Target: "ldm.modules.encoders.modules." + class, Params: params}
}

// TestBack builds small models of every structure and wants them back.
func TestBack(t *testing.T) {
	for name, change := range map[string]func(*parts){
		"plain":        func(*parts) {},
		"one level":    func(p *parts) { p.unet.ChannelMult = []int{1}; p.unet.NumResBlocks = 3 },
		"no attention": func(p *parts) { p.unet.AttentionResolutions = []int{} },
		"scale shift":  func(p *parts) { p.unet.UseScaleShiftNorm = true },
		"updown":       func(p *parts) { p.unet.ResblockUpdown = true; p.unet.NumResBlocks = 2 },
		"updown, attn": func(p *parts) { p.unet.ResblockUpdown = true; p.unet.AttentionResolutions = []int{1, 2, 4} },
		"pooling":      func(p *parts) { p.unet.ConvResample = new(bool) },
		"labels":       func(p *parts) { p.unet.NumClasses = 7; p.cond.Target = "torch.nn.Identity" },
		"openclip": func(p *parts) {
			crossAttention(p)
			p.unet.ContextDim, p.unet.LinearInTransformer, p.unet.Legacy = 64, true, new(bool)
			p.cond = encoder("FrozenOpenCLIPEmbedder", map[string]any{"layer": "penultimate", "width": 64, "heads": 1, "layers": 3, "vocab_size": 20})
		},
		"hugging face": func(p *parts) {
			crossAttention(p)
			p.unet.ContextDim = 64
			p.cond = config.Target{Target: config.TargetCLIPTextModel, Params: map[string]any{"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 2,
				"intermediate_size": 128, "vocab_size": 20, "max_position_embeddings": 9, "hidden_act": "gelu", "pad_token": 0}}
		},
		"a student":    func(p *parts) { p.unet.TimeCondProjDim = 64 },
		"codebook ids": func(p *parts) { p.unet.NEmbed = 11 },
		"vq":           func(p *parts) { p.stage.Kind, p.stage.NEmbed, p.stage.DD.DoubleZ = autoencoder.VQ, 64, false },
		"no mid":       func(p *parts) { p.stage.DD.AttnType, p.stage.DD.AttnResolutions = autoencoder.AttnNone, []int{} },
		"linear":       func(p *parts) { p.stage.DD.AttnType = autoencoder.AttnLinear },
		"from outside": func(p *parts) { crossAttention(p); p.cond.Target = "torch.nn.Identity" },
		"joined":       func(p *parts) { p.unet.InChannels = 7; p.cond.Target = "torch.nn.Identity" },
		"first stage":  func(p *parts) { p.unet.InChannels = 9; p.cond.Target = "__is_first_stage__" },
		"classes": func(p *parts) {
			crossAttention(p)
			p.cond = encoder("ClassEmbedder", map[string]any{"n_classes": 5, "embed_dim": 40})
		},
		"text": func(p *parts) {
			crossAttention(p)
			p.cond = encoder("BERTEmbedder", map[string]any{"n_embed": 40, "n_layer": 2})
		},
		"tokens": func(p *parts) {
			crossAttention(p)
			p.cond = encoder("BERTEmbedder", map[string]any{"n_embed": 40, "n_layer": 1, "vocab_size": 99, "max_seq_len": 5, "use_tokenizer": false})
		},
		"label map": func(p *parts) {
			p.unet.InChannels = 7
			p.cond = encoder("SpatialRescaler", map[string]any{"n_stages": 1, "in_channels": 9, "out_channels": 3})
		},
		"label map bias": func(p *parts) {
			p.unet.InChannels = 7
			p.cond = encoder("SpatialRescaler", map[string]any{"n_stages": 1, "in_channels": 9, "out_channels": 3, "bias": true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := tiny()
			change(&want)
			shapes := want.shapes(t)
			m, err := recognise.From(shapes)
			if err != nil {
				t.Fatal(err)
			}
			got := partsOf(t, m.Target)
			sameUNet(t, got.unet, want.unet, false)
			sameStage(t, got.stage, want.stage)
			if got.cond.Target != want.cond.Target || m.Name != "" || got.params["use_ema"] != false {
				t.Errorf("conditioner %s, want %s; named %q; use_ema %v", got.cond.Target, want.cond.Target, m.Name, got.params["use_ema"])
			}
			sameShapes(t, got.shapes(t), shapes)
		})
	}
}

func TestAlone(t *testing.T) {
	want := tiny().stage
	shapes := stageShapes(t, want, "")
	shapes["loss.logvar"] = []int{}
	m, err := recognise.From(shapes)
	if err != nil || m.Kind != recognise.KindKL {
		t.Fatal(m, err)
	}
	sameStage(t, stageOf(t, m.Target), want)
}

// TestStageInside: a first stage without a diffusion model, whatever stands before
// its names and whatever else is in the file.
func TestStageInside(t *testing.T) {
	want := tiny().stage
	for _, prefix := range []string{"first_stage_model.", "vae.", "a.b."} {
		shapes := stageShapes(t, want, strings.TrimSuffix(prefix, "."))
		shapes["cond_stage_model.transformer.x"], shapes["betas"] = []int{2}, []int{1000}
		for _, attention := range []string{"encoder.mid.attn_1.q.weight", "decoder.mid.attn_1.proj_out.weight"} { // as diffusers stores it
			shapes[prefix+attention] = shapes[prefix+attention][:2]
		}
		m, err := recognise.From(shapes)
		if err != nil || m.Kind != recognise.KindKL {
			t.Fatal(m, err)
		}
		sameStage(t, stageOf(t, m.Target), want)
		names := slices.Sorted(maps.Keys(shapes))
		if got, ok := recognise.StagePrefix(names); got != prefix || !ok {
			t.Errorf("prefix %q, want %q", got, prefix)
		}
	}
}

// TestRename: the namings of other programs.
func TestRename(t *testing.T) {
	for from, want := range map[string]string{
		"cond_stage_model.transformer.embeddings.position_ids":         "cond_stage_model.transformer.text_model.embeddings.position_ids",
		"cond_stage_model.transformer.encoder.layers.0.mlp.fc1.weight": "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight",
		"module.a.b":           "a.b",
		"module._orig_mod.a.b": "a.b",
		"cond_stage_model.transformer.text_model.final_layer_norm.bias": "",
		"cond_stage_model.transformer.token_emb.weight":                 "",
	} {
		got := recognise.Rename([]string{from})[from]
		if got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
	if got := recognise.Rename([]string{"module.a", "b"}); got != nil {
		t.Errorf("renamed %v", got)
	}
}

func TestBuffers(t *testing.T) {
	shapes := tiny().shapes(t)
	shapes["scale_factor"], shapes["model_ema.decay"], shapes["betas"] = []int{}, []int{}, []int{1000}
	m, err := recognise.From(shapes)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Target.Params
	if p["scale_by_std"] != true || p["scale_factor"] != nil || p["use_ema"] != true {
		t.Errorf("scale_by_std %v, scale_factor %v, use_ema %v", p["scale_by_std"], p["scale_factor"], p["use_ema"])
	}
}

// TestRefused wants errors that say what a file is.
func TestRefused(t *testing.T) {
	cross := tiny()
	crossAttention(&cross)
	hybrid := cross
	hybrid.unet.InChannels = 9
	whole := tiny().shapes(t)
	only := func(prefix, as string) map[string][]int {
		out := map[string][]int{}
		for name, s := range whole {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				out[as+rest] = s
			}
		}
		return out
	}
	with := func(name string, shape ...int) map[string][]int {
		out := maps.Clone(whole)
		out[name] = shape
		return out
	}
	for want, shapes := range map[string]map[string][]int{
		"no model that is known":       nil,
		"a U-Net alone":                only("model.diffusion_model.", ""),
		"without a first stage":        only("model.", "model."),
		"both channels joined":         hybrid.shapes(t),
		"Stable Diffusion XL, which":   with("conditioner.embedders.0.x", 1),
		"in the naming of diffusers":   {"down_blocks.0.x": {1}},
		"that is not known":            with("cond_stage_model.odd", 1),
		"but no cross-attention":       with("cond_stage_model.embedding.weight", 10, 40),
		"no structure that is known":   with("model.diffusion_model.input_blocks.99999999.0.in_layers.2.weight", 1, 1, 3, 3),
		"its surroundings want":        with("model.diffusion_model.middle_block.0.in_layers.0.weight", 5),
		"input_blocks.0.0.weight has":  with("model.diffusion_model.input_blocks.0.0.weight", 32),
		"first stage's latents have 5": with("first_stage_model.quant_conv.weight", 10, 12, 1, 1),
	} {
		if _, err := recognise.From(shapes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one of %q", err, want)
		}
	}
}

// TestHostile damages files at random: no panic, no waiting, and where there is
// no error, parameters that are the file's.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads thousands of damaged files")
	}
	cross := tiny()
	crossAttention(&cross)
	cross.cond = encoder("BERTEmbedder", map[string]any{"n_embed": 40, "n_layer": 2})
	whole := cross.shapes(t)
	maps.Copy(whole, stageShapes(t, cross.stage, ""))
	all := slices.Sorted(maps.Keys(whole))
	r := rand.New(rand.NewPCG(1, 2))
	dims := []int{-1, 0, 1, 2, 3, 31, 32, 64, 96, 1 << 20, 1 << 40, 1 << 62}
	for range 800 {
		shapes := maps.Clone(whole)
		for range 1 + r.IntN(3) {
			damage(r, shapes, all, dims)
		}
		begun := time.Now()
		m, err := recognise.From(shapes)
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("%v", took)
		}
		if err == nil && m.Target.Target == "ldm.models.diffusion.ddpm.LatentDiffusion" {
			got := partsOf(t, m.Target).shapes(t)
			for name, shape := range got {
				if !slices.Equal(shape, shapes[name]) && !strings.Contains(name, "to_logits") {
					t.Fatalf("%s is built as %v, the file has %v", name, shape, shapes[name])
				}
			}
		}
	}
}

// damage changes, drops or adds one tensor, or drops a whole part.
func damage(r *rand.Rand, shapes map[string][]int, all []string, dims []int) {
	name := all[r.IntN(len(all))]
	switch r.IntN(5) {
	case 0:
		delete(shapes, name)
	case 1:
		shape := slices.Clone(shapes[name])
		if len(shape) > 0 {
			shape[r.IntN(len(shape))] = dims[r.IntN(len(dims))]
		}
		shapes[name] = shape
	case 2:
		shapes[name] = make([]int, r.IntN(6))
	case 3:
		parts := strings.Split(name, ".")
		parts[r.IntN(len(parts))] = fmt.Sprint(dims[r.IntN(len(dims))])
		shapes[strings.Join(parts, ".")] = shapes[name]
	case 4:
		cut := name[:r.IntN(len(name))]
		maps.DeleteFunc(shapes, func(n string, _ []int) bool { return len(cut) > 8 && strings.HasPrefix(n, cut) })
	}
}

// TestLarge repeats blocks and levels far beyond any model.
func TestLarge(t *testing.T) {
	shapes := tiny().shapes(t)
	for i := range 20000 {
		for _, format := range []string{"model.diffusion_model.input_blocks.%d.0.in_layers.2.weight", "model.diffusion_model.output_blocks.%d.0.in_layers.2.weight",
			"first_stage_model.encoder.down.%d.block.0.conv1.weight", "first_stage_model.encoder.down.0.block.%d.conv1.weight"} {
			shapes[fmt.Sprintf(format, i)] = []int{32, 32, 3, 3}
		}
		shapes[fmt.Sprintf("model.diffusion_model.middle_block.1.transformer_blocks.%d.norm1.weight", i)] = []int{32}
	}
	begun := time.Now()
	if _, err := recognise.From(shapes); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}
