package diffusers

import (
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
		t.readCLIP(o)
	case len(architectures) > 0:
		o.bad("architectures", `["CLIPTextModel"] or ["LDMBertModel"]`)
	default:
		o.bad("model_type", `"clip_text_model" or "ldmbert"`)
	}
	return t, o.err
}

// readCLIP checks that a CLIP is the text tower of ViT-L/14, the only one that
// the reference's FrozenCLIPEmbedder can be.
func (t *textFile) readCLIP(o *object) {
	for _, f := range []struct {
		field string
		want  int
	}{
		{"hidden_size", 768}, {"num_hidden_layers", 12}, {"num_attention_heads", 12}, {"vocab_size", 49408},
		{"intermediate_size", 3072},
	} {
		if o.get(f.field) != float64(f.want) {
			o.bad(f.field, "%d, as in CLIP ViT-L/14, the only one supported", f.want)
		}
	}
	o.only("max_position_embeddings", 77.0)
	o.only("hidden_act", "quick_gelu")
	o.only("layer_norm_eps", 1e-5)
	t.target, t.names, t.width = config.TargetFrozenCLIP, clipNames(), 768
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
