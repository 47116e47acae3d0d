package lora

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// The prefixes of a model's parts in its parameters' names.
const (
	prefixUNet = "model.diffusion_model."
	prefixText = "cond_stage_model."
	prefixHF   = prefixText + "transformer." // of Hugging Face's text encoders
)

// Base is the table of names of a model: every module that an adapter can change,
// by all names that it has in other programs.
type Base struct {
	shapes  map[string]tensor.Shape
	modules map[string]site     // by the other's name
	names   []string            // the others', sorted
	unet    map[string]site     // by diffusers' name, within the U-Net
	text    map[string]site     // the same within the text encoder
	written map[string][]string // our module's name as kohya-ss writes it: several for one that is several there
}

// What programs write before a module's name. In the names of kohya-ss every dot is
// an underscore.
var (
	dottedUNet = []string{"", "unet.", "base_model.model.", "base_model.model.unet.", "unet.base_model.model.", "diffusion_model.", "model.diffusion_model."}
	dottedText = []string{"", "text_encoder.", "base_model.model.", "base_model.model.text_encoder.", "text_encoder.base_model.model.", "cond_stage_model.transformer.", "clip_l.transformer."}
	lowUNet    = []string{"lora_unet_", "lycoris_", "lora_model_diffusion_model_"}
	lowText    = []string{"lora_te_", "lora_te1_", "lycoris_", "lora_te_text_model_"}
)

// NewBase makes the table of a network with these parameters and this U-Net.
func NewBase(params []nn.ParamSpec, u unet.Config) *Base {
	b := &Base{shapes: map[string]tensor.Shape{}, modules: map[string]site{}, unet: map[string]site{}, text: map[string]site{}, written: map[string][]string{}}
	attends := make([]bool, len(u.ChannelMult))
	for i := range attends {
		attends[i] = slices.Contains(u.AttentionResolutions, 1<<i)
	}
	unetNames := diffusers.UNetNames(u.NumResBlocks, attends)
	bertNames := diffusers.BERTNames(len(params)) // more layers than there can be
	for _, p := range params {
		b.shapes[p.Name] = p.Shape
	}
	for _, p := range params {
		at := strings.LastIndexByte(p.Name, '.')
		if inside, ok := strings.CutPrefix(p.Name, prefixOpen); ok {
			b.addOpen(inside)
			continue
		}
		if at < 0 || p.Name[at+1:] != "weight" && p.Name[at+1:] != "bias" {
			continue
		}
		ours := p.Name[:at]
		where := siteOf(ours)
		switch {
		case strings.HasPrefix(p.Name, prefixUNet):
			inside := strings.TrimPrefix(ours, prefixUNet)
			theirs := modulesOf(unetNames(inside + ".weight"))
			for _, name := range theirs {
				b.unet[name] = where
			}
			b.add(where, append(theirs, inside), dottedUNet, lowUNet)
			b.written[ours] = []string{lowUNet[0] + low(append(theirs, inside)[0])}
		case strings.HasPrefix(p.Name, prefixHF+"text_model."):
			name := strings.TrimPrefix(ours, prefixHF)
			b.addText(where, name)
			b.written[ours] = []string{lowText[0] + low(name)}
		case strings.HasPrefix(p.Name, prefixText):
			inside := strings.TrimPrefix(ours, prefixText)
			theirs := append(modulesOf(bertNames(inside+".weight")), inside)
			b.add(where, theirs, dottedText, lowText)
			b.written[ours] = []string{lowText[0] + low(theirs[0])}
		}
	}
	b.names = slices.Sorted(maps.Keys(b.modules))
	return b
}

// modulesOf are the modules of weights.
func modulesOf(weights []string) []string {
	out := make([]string, len(weights))
	for i, name := range weights {
		out[i] = strings.TrimSuffix(name, ".weight")
	}
	return out
}

// addText gives a site the names of a module of Hugging Face's text encoder.
func (b *Base) addText(where site, name string) {
	b.text[name] = where
	b.add(where, []string{name, strings.TrimPrefix(name, "text_model.")}, dottedText, lowText)
}

// add gives a site the names of others.
func (b *Base) add(where site, names, dotted, lowered []string) {
	for _, name := range names {
		for _, alias := range withProcessors(name) {
			for _, prefix := range dotted {
				b.put(prefix+alias, where)
			}
			for _, prefix := range lowered {
				b.put(prefix+low(alias), where)
			}
		}
	}
}

// low is a module's name in those of kohya-ss.
func low(name string) string { return strings.ReplaceAll(name, ".", "_") }

func (b *Base) put(name string, where site) {
	if _, taken := b.modules[name]; !taken {
		b.modules[name] = where
	}
}

// withProcessors adds the names that diffusers' attention processors had, to which
// the layers of an attention belonged before diffusers 0.18.
func withProcessors(name string) []string {
	out := []string{name}
	for _, p := range []struct{ end, leaf string }{
		{".to_q", "to_q"}, {".to_k", "to_k"}, {".to_v", "to_v"}, {".to_out.0", "to_out"},
		{".q_proj", "to_q"}, {".k_proj", "to_k"}, {".v_proj", "to_v"}, {".out_proj", "to_out"},
	} {
		if attention, ok := strings.CutSuffix(name, p.end); ok {
			out = append(out, attention+".processor."+p.leaf, attention+"."+p.leaf)
		}
	}
	return out
}

// maybe says what a name that fits nothing might have been for.
func (b *Base) maybe(name string) string {
	for _, other := range []struct {
		pieces []string
		what   string
	}{
		{[]string{"lora_te2_", "text_encoder_2."}, "the second text encoder of Stable Diffusion XL"},
		{[]string{"double_blocks", "single_blocks", "single_transformer_blocks"}, "FLUX"},
		{[]string{"joint_blocks", "lora_te3_", "text_encoder_3."}, "Stable Diffusion 3"},
		{[]string{"label_emb_0", "add_embedding", "transformer_blocks_1_", "transformer_blocks.1."}, "Stable Diffusion XL, whose transformers are deeper"},
		{[]string{"control_model", "controlnet", "lllite"}, "a ControlNet"},
		{[]string{"first_stage_model", "lora_vae", "vae."}, "a first stage"},
	} {
		for _, piece := range other.pieces {
			if strings.Contains(name, piece) {
				return other.what
			}
		}
	}
	switch {
	case strings.HasPrefix(name, "<"):
		return "a learnt word (textual inversion)"
	case len(b.text) == 0 && (strings.HasPrefix(name, "lora_te") || strings.Contains(name, "text_model") || strings.HasPrefix(name, "text_encoder")):
		return "CLIP's text encoder, which this model has not"
	case strings.Contains(name, "text_model"):
		return "a text encoder of more layers, such as that of Stable Diffusion v2" + b.nearest(name)
	}
	return strings.TrimPrefix(b.nearest(name), "; ")
}

// nearest names the module whose name begins most like a name.
func (b *Base) nearest(name string) string {
	at, _ := slices.BinarySearch(b.names, name)
	best, most := "", len("lora_unet_")
	for _, i := range []int{at - 1, at} {
		if i >= 0 && i < len(b.names) {
			if n := common(b.names[i], name); n > most {
				best, most = b.names[i], n
			}
		}
	}
	if best == "" {
		return ""
	}
	return "; the nearest name here is " + strconv.Quote(best)
}

// common is the length of the beginning that two names share.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
