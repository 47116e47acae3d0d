package conditioner

import "github.com/ldm-go/ldm/fault"

// The values of FrozenCLIP's argument layer.
const (
	layerLast   = "last"
	layerHidden = "hidden"
)

// FrozenCLIP holds the arguments of FrozenCLIPEmbedder in the reference and its
// successors.
type FrozenCLIP struct {
	Version   string `yaml:"version"`    // openai/clip-vit-large-patch14, the default
	Device    string `yaml:"device"`     // of no consequence
	MaxLength int    `yaml:"max_length"` // 77
	Freeze    *bool  `yaml:"freeze"`     // of no consequence: see cond_stage_trainable
	Layer     string `yaml:"layer"`      // last, the default, or hidden
	LayerIdx  *int   `yaml:"layer_idx"`  // of hidden, which of the 13 hidden states: -2 is that before the last layer
}

// Tower is the text tower that the arguments name. The final norm follows
// whichever layer is the last, as in the programs whose configurations have
// layer_idx.
func (f FrozenCLIP) Tower() (CLIP, error) {
	if f.Version != "" && f.Version != "openai/clip-vit-large-patch14" {
		return CLIP{}, fault.Unsupportedf("clip version %q: want openai/clip-vit-large-patch14", f.Version)
	}
	if f.MaxLength != 0 && f.MaxLength != ViTL14.MaxLen {
		return CLIP{}, fault.Unsupportedf("clip max_length %d: want %d", f.MaxLength, ViTL14.MaxLen)
	}
	tower := ViTL14
	switch {
	case f.Layer == "" || f.Layer == layerLast:
		if f.LayerIdx != nil && *f.LayerIdx != -1 && *f.LayerIdx != tower.Layers {
			return CLIP{}, fault.Inputf("clip layer_idx %d: it wants layer: %s", *f.LayerIdx, layerHidden)
		}
		return tower, nil
	case f.Layer != layerHidden:
		return CLIP{}, fault.Unsupportedf("clip layer %q: want %s or %s", f.Layer, layerLast, layerHidden)
	case f.LayerIdx == nil:
		return CLIP{}, fault.Inputf("clip layer %s: it wants layer_idx", layerHidden)
	}
	at := *f.LayerIdx
	if at < 0 {
		at += tower.Layers + 1
	}
	if at < 1 || at > tower.Layers {
		return CLIP{}, fault.Inputf("clip layer_idx %d: want -1 to %d, or 1 to %d", *f.LayerIdx, -tower.Layers, tower.Layers)
	}
	tower.Skip = tower.Layers - at
	return tower, nil
}

// CLIPTextModel holds the arguments of the text encoder of a pipeline of diffusers, by
// the names of its config.json. Those left out are ViTL14's.
type CLIPTextModel struct {
	Width     int    `yaml:"hidden_size"`
	Inner     int    `yaml:"intermediate_size"`
	Layers    int    `yaml:"num_hidden_layers"`
	Heads     int    `yaml:"num_attention_heads"`
	Vocab     int    `yaml:"vocab_size"`
	Positions int    `yaml:"max_position_embeddings"`
	Act       string `yaml:"hidden_act"` // quick_gelu or gelu
	Pad       *int32 `yaml:"pad_token"`  // that fills a text up
}

// Tower is the text tower that the arguments describe.
func (f CLIPTextModel) Tower() (CLIP, error) {
	tower := ViTL14
	for _, set := range []struct {
		from int
		to   *int
	}{{f.Width, &tower.Width}, {f.Inner, &tower.Inner}, {f.Layers, &tower.Layers}, {f.Heads, &tower.Heads}, {f.Vocab, &tower.Vocab}, {f.Positions, &tower.MaxLen}} {
		if set.from != 0 {
			*set.to = set.from
		}
	}
	if f.Pad != nil {
		tower.Pad = *f.Pad
	}
	switch f.Act {
	case "", "quick_gelu":
	case "gelu":
		tower.GELU = true
	default:
		return CLIP{}, fault.Unsupportedf("clip hidden_act %q: want quick_gelu or gelu", f.Act)
	}
	return tower, tower.validate()
}
