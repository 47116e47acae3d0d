package diffusers

import (
	"maps"
	"slices"

	"github.com/ldm-go/ldm/config"
)

// textFile is what the text encoder's config.json says.
type textFile struct {
	target  string
	params  map[string]any
	names   table
	width   int // channels of the context
	assumed []string
}

// readText reads the text encoder's config.json, a CLIPTextModel or an LDMBertModel.
func readText(d directory, folder string) (t textFile, err error) {
	o, err := d.object(folder + "/" + ConfigFile)
	if err != nil {
		return t, err
	}
	architectures, _ := o.get("architectures").([]any)
	is := func(class, kind string) bool {
		return slices.Contains(architectures, any(class)) || len(architectures) == 0 && o.get("model_type") == kind
	}
	switch {
	case is("LDMBertModel", "ldmbert"):
		t.readBert(o)
	case is("CLIPTextModel", "clip_text_model"):
		pad, err := readPad(d)
		if err != nil {
			return t, err
		}
		t.readCLIP(o, pad)
	case len(architectures) > 0:
		o.bad("architectures", `["CLIPTextModel"] or ["LDMBertModel"]`)
	default:
		o.bad("model_type", `"clip_text_model" or "ldmbert"`)
	}
	return t, o.err
}

// readCLIP reads a text tower of CLIP: the published ViT-L/14, for which the
// reference's FrozenCLIPEmbedder stands, or another one, such as that of OpenCLIP in
// Stable Diffusion v2.
func (t *textFile) readCLIP(o *object, pad int) {
	sizes := map[string]int{}
	for field, most := range map[string]int{
		"hidden_size": maxWidth, "num_hidden_layers": 1024, "num_attention_heads": maxWidth, "vocab_size": maxWidth, "intermediate_size": maxWidth,
		"max_position_embeddings": maxWidth,
	} {
		if field == "max_position_embeddings" && !o.has(field) {
			sizes[field] = 77
			continue
		}
		sizes[field] = o.integer(field, 1, most)
	}
	act := "quick_gelu"
	if o.has("hidden_act") {
		o.only("hidden_act", "quick_gelu", "gelu")
		act, _ = o.get("hidden_act").(string)
	}
	o.only("layer_norm_eps", 1e-5)
	t.target, t.names, t.width = config.TargetFrozenCLIP, clipNames(), sizes["hidden_size"]
	published := map[string]int{
		"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 49408, "intermediate_size": 3072, "max_position_embeddings": 77,
	}
	if maps.Equal(sizes, published) && act == "quick_gelu" && pad == endOfText {
		return
	}
	t.target = config.TargetCLIPTextModel
	t.params = map[string]any{"hidden_act": act, "pad_token": pad}
	for field, n := range sizes {
		t.params[field] = n
	}
}

// endOfText is the token that fills texts up for OpenAI's CLIP.
const endOfText = 49407

// readPad reads which token fills texts up. What the file of special tokens says
// counts before the tokenizer's configuration, as in transformers.
func readPad(d directory) (int, error) {
	for _, file := range []string{"tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json"} {
		if !d.exists(file) {
			continue
		}
		o, err := d.object(file)
		if err != nil {
			return 0, err
		}
		v := o.get("pad_token")
		if token, ok := v.(map[string]any); ok {
			v = token["content"]
		}
		switch v {
		case "!":
			return 0, nil
		case "<|endoftext|>":
			return endOfText, nil
		case nil:
		default:
			o.bad("pad_token", `"!" or "<|endoftext|>"`)
			return 0, o.err
		}
	}
	return endOfText, nil
}

// readBert reads the text transformer of latent diffusion.
func (t *textFile) readBert(o *object) {
	t.width = o.integer("d_model", 1, maxWidth)
	layers := o.integer("encoder_layers", 1, 1024)
	t.params = map[string]any{
		"n_embed": t.width, "n_layer": layers,
		"vocab_size":  o.integer("vocab_size", 1, maxWidth),
		"max_seq_len": o.integer("max_position_embeddings", 1, maxWidth),
	}
	// The reference's BERTEmbedder has no arguments for these: they appear
	// where they are not its 8 heads of 64 alone.
	for _, f := range []struct {
		field, ours string
		usual       int
	}{{"encoder_attention_heads", "heads", 8}, {"head_dim", "dim_head", 64}} {
		if !o.has(f.field) {
			continue
		}
		if n := o.integer(f.field, 1, maxWidth); n != f.usual {
			t.params[f.ours] = n
		}
	}
	if o.get("encoder_ffn_dim") != float64(4*t.width) {
		o.bad("encoder_ffn_dim", "%d, four times d_model", 4*t.width)
	}
	o.only("activation_function", "gelu")
	o.only("scale_embedding", false)
	t.target, t.names = config.TargetTransformer, bertNames(layers)
}
