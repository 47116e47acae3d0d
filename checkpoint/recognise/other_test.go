package recognise_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/internal/golden"
)

// TestOthers: files that are no models are named.
func TestOthers(t *testing.T) {
	for _, c := range []struct {
		shapes map[string][]int
		want   string
		facts  string
	}{
		{map[string][]int{"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": {8, 768}, "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": {4, 768}, "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": {}},
			"a LoRA of kohya-ss for Stable Diffusion v1", "rank 4, 8; alpha 2"},
		{map[string][]int{"lora_unet_x_attn2_to_k.lora_down.weight": {8, 2048}}, "for Stable Diffusion XL", "rank 8"},
		{map[string][]int{"lora_unet_x.lokr_w1": {4, 4}, "lora_unet_x.lokr_w2_b": {4, 80}}, "a LoKr of LyCORIS", "rank 4"},
		{map[string][]int{"lora_unet_x.hada_w1_a": {8, 4}, "lora_unet_x.hada_w1_b": {4, 80}}, "a LoHa of LyCORIS", "rank 4"},
		{map[string][]int{"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora.down.weight": {4, 768}}, "a LoRA of diffusers for Stable Diffusion v1", "rank 4"},
		{map[string][]int{"down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": {4, 768}}, "a LoRA of diffusers, of the first form", "rank 4"},
		{map[string][]int{"unet.x.attn2.to_k.lora_A.weight": {4, 768}}, "a LoRA of diffusers (PEFT's naming)", "rank 4"},
		{map[string][]int{"base_model.model.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight": {8, 768}}, "a LoRA of PEFT for Stable Diffusion v1", "1 layers of the text encoder; rank 8"},
		{map[string][]int{"unet:0:down": {4, 320}, "unet:0:up": {320, 4}}, "a LoRA of cloneofsimo/lora", "rank 4"},
		{map[string][]int{"emb_params": {5, 768}}, "an embedding (textual inversion) for Stable Diffusion v1", "5 vectors of 768 channels"},
		{map[string][]int{"string_to_param.*": {4, 1024}}, "for Stable Diffusion v2", "4 vectors"},
		{map[string][]int{"<birb-style>": {768}}, "an embedding", "<birb-style>: 1 vector"},
		{map[string][]int{"clip_l": {2, 768}, "clip_g": {2, 1280}}, "for Stable Diffusion XL", "clip_g"},
		{map[string][]int{"control_model.x": {1}}, "a ControlNet", ""},
		{map[string][]int{"controlnet_cond_embedding.x": {1}, "down_blocks.0.x": {1}}, "a ControlNet", ""},
		{map[string][]int{"conditioner.embedders.0.transformer.x": {1}, "conditioner.embedders.1.model.x": {1}}, "Stable Diffusion XL", ""},
		{map[string][]int{"conditioner.embedders.0.model.x": {1}}, "refiner", ""},
		{map[string][]int{"model.diffusion_model.joint_blocks.0.x": {1}}, "Stable Diffusion 3", ""},
		{map[string][]int{"double_blocks.0.x": {1}}, "FLUX", ""},
		{map[string][]int{"text_model.embeddings.token_embedding.weight": {49408, 768}, "text_model.encoder.layers.0.layer_norm1.weight": {768}}, "a CLIP text encoder alone, 768 channels", "layers 1"},
		{map[string][]int{"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": {320, 768}}, "a U-Net alone, in the naming of diffusers of Stable Diffusion v1", ""},
		{map[string][]int{"encoder.down_blocks.0.x": {1}}, "an autoencoder in the naming of diffusers", ""},
		{map[string][]int{"lin0.model.1.weight": {1, 64, 1, 1}}, "the heads of LPIPS", ""},
		{map[string][]int{"weight": {1, 768}, "bias": {1}}, "one linear layer, 768 to 1", ""},
		{map[string][]int{"tensor": {3}}, "one bare tensor", ""},
		{map[string][]int{"0": {320, 4}, "1": {4, 320}, "2": {320, 4}, "3": {4, 768}}, "a LoRA of cloneofsimo/lora, as a bare list", "rank 4"},
		{map[string][]int{"320.0.linear.0.weight": {640, 320}, "768.1.linear.0.bias": {768}}, "a hypernetwork", ""},
		{map[string][]int{"0": {3}, "1": {2}}, "a bare list of 2 tensors", ""},
	} {
		o, ok := recognise.NameOther(c.shapes, recognise.Values{Scalar: func(string) (float64, bool) { return 2, true }})
		var facts []string
		for _, f := range o.Facts {
			facts = append(facts, f[0]+" "+f[1])
		}
		if !ok || !strings.Contains(o.Name, c.want) || !strings.Contains(strings.Join(facts, "; "), c.facts) {
			t.Errorf("%v: %q (%v), want %q (%s)", c.shapes, o.Name, facts, c.want, c.facts)
		}
		if _, err := recognise.From(c.shapes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.shapes, err)
		}
	}
	if o, ok := recognise.NameOther(map[string][]int{"a.b": {1}, "c.d": {2}, "a.c": {2}}, recognise.Values{}); ok {
		t.Errorf("an unknown file is called %s", o.Name)
	}
	if _, err := recognise.From(map[string][]int{"a.b": {1}, "c.d": {2}, "a.c": {2}}); err == nil || !strings.Contains(err.Error(), "a (2), c (1)") {
		t.Errorf("unknown: %v", err)
	}
}

// list reads a list of names and shapes of the published collection.
func list(t *testing.T, name, prefix string, rename ...string) map[string][]int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(golden.Folder(t), "..", "real", "keys", "components", name+".txt"))
	if err != nil {
		t.Skip("no published lists of keys: ", err)
	}
	out := map[string][]int{}
	for line := range strings.Lines(string(raw)) {
		key, dims, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		shape := []int{}
		for d := range strings.SplitSeq(strings.Trim(dims, "[]"), ",") {
			if d == "" {
				continue
			}
			n := 0
			for _, c := range strings.TrimSpace(d) {
				n = 10*n + int(c-'0')
			}
			if strings.HasPrefix(d, "-") {
				n = 4
			}
			shape = append(shape, n)
		}
		out[prefix+strings.NewReplacer(rename...).Replace(key)] = shape
	}
	return out
}

func joined(all ...map[string][]int) map[string][]int {
	out := map[string][]int{}
	for _, m := range all {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// TestPublishedLists: the names of published files.
func TestPublishedLists(t *testing.T) {
	const u, v, c = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
	vae, clip := list(t, "VAE-v1-SD", v), list(t, "CLIP-v1-SD", c+"text_model.")
	for want, shapes := range map[string]map[string][]int{
		"Stable Diffusion v1":            joined(list(t, "UNET-v1-SD", u), vae, clip),
		"Stable Diffusion v1 inpainting": joined(list(t, "UNET-v1-Inpainting", u), vae, clip),
		"instruct-pix2pix":               joined(list(t, "UNET-v1-Pix2Pix", u), vae, clip),
		"kl-f8":                          vae,
	} {
		m, err := recognise.From(shapes)
		if err != nil || m.Name != want {
			t.Errorf("%s: %v, %v", want, m, err)
		}
	}
	nai := joined(list(t, "UNET-v1-SD", u), vae, list(t, "CLIP-v1-SD", c))
	names := make([]string, 0, len(nai))
	for name := range nai {
		names = append(names, name)
	}
	renamed := map[string][]int{}
	for from, to := range recognise.Rename(names) {
		renamed[to] = nai[from]
	}
	if m, err := recognise.From(renamed); err != nil || m.Name != "Stable Diffusion v1" {
		t.Errorf("NovelAI's naming: %v, %v", m, err)
	}
	v2 := list(t, "CLIP-v2-SD", "cond_stage_model.model.")
	for want, unet := range map[string]string{"Stable Diffusion v2": "UNET-v2-SD", "Stable Diffusion v2 inpainting": "UNET-v2-Inpainting"} {
		if m, err := recognise.From(joined(list(t, unet, u), vae, v2)); err != nil || m.Name != want {
			t.Errorf("%s: %v, %v", want, m, err)
		}
	}
	for want, shapes := range map[string]map[string][]int{
		"Stable Diffusion v2 with a depth map,":       joined(list(t, "UNET-v2-Depth", u), vae, v2, list(t, "Depth-v2-SD", "depth_model.model.")),
		"Stable Diffusion XL,":                        joined(list(t, "UNET-XL-SD", u), vae, list(t, "CLIP-XL-SD", "conditioner.embedders.1.model."), list(t, "CLIP-v1-SD", "conditioner.embedders.0.transformer.text_model.")),
		"Stable Diffusion XL's refiner,":              joined(list(t, "UNET-XL-Refiner", u), vae, list(t, "CLIP-XL-SD", "conditioner.embedders.0.model.")),
		"a ControlNet,":                               list(t, "ControlNet-v1-SD", "control_model."),
		"a LoRA of kohya-ss for Stable Diffusion v1,": joined(list(t, "LoRA-v1-UNET", ""), list(t, "LoRA-v1-CLIP", "")),
		"a CLIP text encoder alone, 768 channels,":    clip,
		"a U-Net alone of Stable Diffusion v1,":       list(t, "UNET-v1-SD", ""),
		"without a first stage":                       joined(list(t, "UNET-v1-SD", u), clip),
	} {
		if _, err := recognise.From(shapes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzNames: whatever names and shapes a file has, it is named or not, without a panic.
func FuzzNames(f *testing.F) {
	f.Add("lora_unet_x_attn2_to_k.lora_down.weight 4 768\nlora_unet_x_attn2_to_k.alpha\n")
	f.Add("emb_params 768\n")
	f.Add("0 320 4\n1 4 320\n")
	f.Add("module.encoder.conv_in.weight 32 3 3 3\nmodule.decoder.conv_in.weight 1\n")
	f.Add("model.diffusion_model.input_blocks.0.0.weight 4\nfirst_stage_model.encoder.conv_in.weight 2\nfirst_stage_model.decoder.conv_in.weight 2\n")
	f.Add("weight 1 2\nbias 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		shapes := map[string][]int{}
		var names []string
		for line := range strings.Lines(text) {
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			shape := []int{}
			for _, d := range fields[1:] {
				n, _ := strconv.Atoi(d)
				shape = append(shape, max(n, 0))
			}
			shapes[fields[0]], names = shape, append(names, fields[0])
		}
		recognise.Rename(names)
		recognise.StagePrefix(names)
		recognise.NameOther(shapes, recognise.Values{Scalar: func(string) (float64, bool) { return 1, true }})
		recognise.From(shapes)
	})
}
