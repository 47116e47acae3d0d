package recognise

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// adapters are the forms in which small changes of weights are published, by a
// piece of a name.
var adapters = []struct{ piece, what string }{
	{".lokr_w", "a LoKr of LyCORIS"},
	{".hada_w", "a LoHa of LyCORIS"},
	{".oft_blocks", "an OFT of LyCORIS"},
	{".oft_diag", "an OFT of LyCORIS"},
	{".boft_", "a BOFT"},
	{".on_input", "an (IA)³ of LyCORIS"},
	{".ia3_l", "an (IA)³ of PEFT"},
	{".a1.weight", "a GLoRA of LyCORIS"},
	{".lora_mid.weight", "a LoCon of LyCORIS (with a middle convolution)"},
	{".lora_down.weight", "a LoRA of kohya-ss"},
	{".lora.down.weight", "a LoRA of diffusers"},
	{".lora_linear_layer.down.weight", "a LoRA of diffusers"},
	{"_lora.down.weight", "a LoRA of diffusers, of the first form"},
	{"base_model.model.", "a LoRA of PEFT"},
	{".lora_A.", "a LoRA of diffusers (PEFT's naming)"},
	{".lora_B.", "a LoRA of diffusers (PEFT's naming)"},
	{"unet:0:", "a LoRA of cloneofsimo/lora"},
	{"text_encoder:0:", "a LoRA of cloneofsimo/lora"},
	{".diff", "differences of weights (kohya-ss's or LyCORIS's full form)"},
}

// downs end the names of the matrices whose rows are the rank.
var downs = []string{".lora_down.weight", ".lora.down.weight", ".lora_linear_layer.down.weight", "_lora.down.weight", ".lora_A.weight", ".lora_A.default.weight", ":down",
	".hada_w1_b", ".lokr_w2_b", ".lokr_w1_b"}

// adapter names changes of weights, with their rank and strength.
func adapter(f *file, v Values) (Other, bool) {
	var o Other
	for _, a := range adapters {
		if strings.HasPrefix(a.piece, ".") || strings.HasPrefix(a.piece, "_") {
			if (a.piece == ".diff" && f.ending(".diff") == "") || f.with(a.piece) == "" {
				continue
			}
		} else if !f.under(a.piece) {
			continue
		}
		o.Name = a.what
		break
	}
	if o.Name == "" {
		if f.with("lora_unet_") == "" && f.with("lora_te") == "" {
			return o, false
		}
		o.Name = "a LoRA"
	}
	o.Name += f.adapts()
	o.Use = "give the model that it changes, and this file with --lora"
	o.Facts = append(o.Facts, [2]string{"changes", f.targets()})
	if ranks := f.ranks(); ranks != "" {
		o.Facts = append(o.Facts, [2]string{"rank", ranks})
	}
	if alphas := f.alphas(v); alphas != "" {
		o.Facts = append(o.Facts, [2]string{"alpha", alphas})
	}
	if f.with(".dora_scale") != "" || f.with("lora_magnitude_vector") != "" {
		o.Facts = append(o.Facts, [2]string{"form", "DoRA: magnitudes apart from directions"})
	}
	o.Facts = append(o.Facts, about(v.Meta)...)
	return o, true
}

// adapts says for which model a LoRA is, as far as its names and widths tell.
func (f *file) adapts() string {
	switch {
	case f.with("lora_te2_") != "" || f.with("text_encoder_2.") != "":
		return " for Stable Diffusion XL"
	case f.with("double_blocks") != "" || f.with("single_transformer_blocks") != "":
		return " for FLUX"
	case f.with("joint_blocks") != "":
		return " for Stable Diffusion 3"
	}
	for _, name := range f.names {
		context := strings.Contains(name, "attn2_to_k") || strings.Contains(name, "attn2.to_k") || strings.Contains(name, "attn2.processor.to_k")
		for _, down := range downs {
			if s := f.shapes[name]; context && strings.HasSuffix(name, down) && len(s) >= 2 && s[1] != s[0] && !strings.Contains(down, "w1_b") && !strings.Contains(down, "w2_b") {
				return strings.Replace(versionOf(s[1]), " of ", " for ", 1)
			}
		}
	}
	for _, name := range f.names { // the text encoder's width tells, too
		for _, down := range downs {
			text := strings.HasPrefix(name, "lora_te") || strings.Contains(name, "text_model") || strings.HasPrefix(name, "text_encoder")
			if s := f.shapes[name]; text && strings.Contains(name, "q_proj") && strings.HasSuffix(name, down) && len(s) >= 2 {
				switch s[1] {
				case 768:
					return " for Stable Diffusion v1"
				case 1024:
					return " for Stable Diffusion v2"
				}
			}
		}
	}
	return ""
}

// targets counts the layers that are changed, by part.
func (f *file) targets() string {
	unet, text := map[string]bool{}, map[string]bool{}
	for _, name := range f.names {
		layer := name
		for _, cut := range []string{".lora", "_lora.", ".alpha", ".hada_", ".lokr_", ".oft_", ".diff", ".dora_scale", ":up", ":down", ".on_input", ".weight", ".bias"} {
			layer, _, _ = strings.Cut(layer, cut)
		}
		if strings.HasPrefix(name, "lora_te") || strings.HasPrefix(name, "text_encoder") || strings.Contains(name, "text_model") {
			text[layer] = true
		} else {
			unet[layer] = true
		}
	}
	switch {
	case len(text) == 0:
		return fmt.Sprintf("%d layers of the U-Net", len(unet))
	case len(unet) == 0:
		return fmt.Sprintf("%d layers of the text encoder", len(text))
	}
	return fmt.Sprintf("%d layers of the U-Net, %d of the text encoder", len(unet), len(text))
}

// ranks lists the ranks, smallest first.
func (f *file) ranks() string {
	ranks := map[int]bool{}
	for _, name := range f.names {
		for _, down := range downs {
			if s := f.shapes[name]; strings.HasSuffix(name, down) && len(s) >= 2 {
				ranks[s[0]] = true
			}
		}
	}
	var out []string
	for _, r := range slices.Sorted(maps.Keys(ranks)) {
		out = append(out, strconv.Itoa(r))
	}
	return strings.Join(out, ", ")
}

// alphas lists the strengths, which are divided by the rank.
func (f *file) alphas(v Values) string {
	if v.Scalar == nil {
		return ""
	}
	found := map[float64]bool{}
	for _, name := range f.names {
		if strings.HasSuffix(name, ".alpha") {
			if a, ok := v.Scalar(name); ok {
				found[a] = true
			}
		}
	}
	var out []string
	for _, a := range slices.Sorted(maps.Keys(found)) {
		out = append(out, strconv.FormatFloat(a, 'g', 6, 64))
	}
	if len(out) > 8 {
		out = append(out[:8], fmt.Sprintf("and %d more", len(out)-8))
	}
	return strings.Join(out, ", ")
}

// about are the entries of the metadata that tell a person something.
func about(meta map[string]string) (facts [][2]string) {
	for _, key := range []string{
		"modelspec.title", "modelspec.author", "modelspec.architecture", "modelspec.trigger_phrase", "ss_output_name", "ss_sd_model_name", "ss_base_model_version",
		"ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args", "ss_resolution", "ss_num_train_images", "ss_steps", "ss_clip_skip", "ss_v2",
		"ss_training_comment", "lora_adapter_metadata", "name", "step", "sd_checkpoint_name", "sd_checkpoint",
	} {
		text := strings.Join(strings.Fields(meta[key]), " ")
		if text == "" || text == "None" {
			continue
		}
		if r := []rune(text); len(r) > 100 {
			text = string(r[:100]) + "…"
		}
		facts = append(facts, [2]string{key, text})
	}
	return facts
}

// embedding names learnt words (textual inversion).
func embedding(f *file, v Values) (Other, bool) {
	if len(f.names) > 4 {
		return Other{}, false
	}
	var widths, kinds []string
	for _, name := range f.names {
		s := f.shapes[name]
		if len(s) < 1 || len(s) > 2 || !slices.Contains([]int{768, 1024, 1280}, s[len(s)-1]) {
			return Other{}, false
		}
		count := 1
		if len(s) == 2 {
			count = s[0]
		}
		word := strings.TrimPrefix(name, "string_to_param.")
		known := name == "emb_params" || name == "clip_l" || name == "clip_g" || word != name || strings.HasPrefix(name, "<") || len(f.names) == 1 && len(s) == 1
		if !known {
			return Other{}, false
		}
		kinds = append(kinds, fmt.Sprintf("%s: %s of %d channels", word, plural(count, "vector"), s[len(s)-1]))
		widths = append(widths, strings.Replace(versionOf(s[len(s)-1]), " of ", " for ", 1))
	}
	if len(kinds) == 0 {
		return Other{}, false
	}
	o := Other{Name: "an embedding (textual inversion)" + widths[0], Use: "give the model that it is a word for, and this file with --embedding"}
	if f.has("clip_g") {
		o.Name = "an embedding (textual inversion) for Stable Diffusion XL"
	}
	for _, k := range kinds {
		o.Facts = append(o.Facts, [2]string{"word", k})
	}
	o.Facts = append(o.Facts, about(v.Meta)...)
	return o, true
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
