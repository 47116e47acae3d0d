package recognise

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Other is a file that is known and no model that is run: an adapter, an
// embedding, a part of a model, a model of another kind.
type Other struct {
	Name  string      // "a LoRA of kohya-ss for Stable Diffusion v1"
	Use   string      // what to do with it, or ""
	Facts [][2]string // a name and a value each, for a person
}

// error is the refusal of the file where a model is wanted.
func (o Other) error() error {
	if o.Use != "" {
		return fault.Unsupportedf("looks like %s, which is no model by itself: %s", o.Name, o.Use)
	}
	return fault.Unsupportedf("looks like %s, which is not supported", o.Name)
}

// Values reads single numbers and strings of a file, for what shapes do not say.
// Its functions may be nil.
type Values struct {
	Scalar func(name string) (float64, bool)
	Meta   map[string]string
}

// NameOther tells what a file is that From knows no model of; ok is false where
// nothing is known of it either.
func NameOther(shapes map[string][]int, v Values) (o Other, ok bool) {
	f := newFile(shapes)
	for _, look := range []func(*file, Values) (Other, bool){adapter, embedding, others, part, metric, small} {
		if o, ok = look(f, v); ok {
			return o, true
		}
	}
	return Other{}, false
}

// file is the names of a file, sorted, with their shapes.
type file struct {
	names  []string
	shapes map[string][]int
}

func newFile(shapes map[string][]int) *file {
	f := &file{shapes: shapes}
	for name := range shapes {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f
}

func (f *file) under(prefix string) bool { return anyUnder(f.names, prefix) }

// with is the first name that contains a piece, or "".
func (f *file) with(piece string) string {
	i := slices.IndexFunc(f.names, func(name string) bool { return strings.Contains(name, piece) })
	if i < 0 {
		return ""
	}
	return f.names[i]
}

func (f *file) ending(suffix string) string {
	i := slices.IndexFunc(f.names, func(name string) bool { return strings.HasSuffix(name, suffix) })
	if i < 0 {
		return ""
	}
	return f.names[i]
}

func (f *file) has(name string) bool { return f.shapes[name] != nil }

// others are models of other structures or names, by a piece of a name that no
// supported model has. A piece that begins with a dot may be anywhere in a name,
// others are its beginning.
func others(f *file, _ Values) (Other, bool) {
	if f.under("control_model.") && f.under(prefixUNet) {
		return Other{Name: "a Stable Diffusion with a ControlNet (control_model.*)", Use: "give the model that it was made of, and this file with --control"}, true
	}
	for _, o := range []struct{ piece, what string }{
		{"conditioner.embedders.1.", "Stable Diffusion XL"},
		{"conditioner.embedders.0.model.", "Stable Diffusion XL's refiner"},
		{"conditioner.embedders.", "Stable Diffusion XL"},
		{"depth_model.", "Stable Diffusion v2 with a depth map"},
		{"cond_stage_model.roberta.", "AltDiffusion"},
		{"control_model.", "a ControlNet"},
		{"controlnet_cond_embedding.", "a ControlNet in the naming of diffusers"},
		{"input_hint_block.", "a ControlNet"},
		{"model.diffusion_model.joint_blocks.", "Stable Diffusion 3"},
		{"joint_blocks.", "the transformer of Stable Diffusion 3"},
		{"model.diffusion_model.double_blocks.", "FLUX"},
		{"double_blocks.", "the transformer of FLUX"},
		{"transformer_blocks.", "a diffusion transformer in the naming of diffusers"},
		{"single_transformer_blocks.", "the transformer of FLUX in the naming of diffusers"},
		{".motion_modules.", "a motion module of AnimateDiff"},
		{".time_stack.", "a video model"},
		{"ip_adapter.", "an IP-Adapter"},
		{"image_proj.", "an IP-Adapter"},
		{"adapter.body.", "a T2I-Adapter"},
		{"encoder.block.0.layer.0.SelfAttention.", "T5, a text encoder alone"},
		{"vision_model.", "CLIP's picture encoder"},
		{"visual.", "a CLIP of OpenAI's or OpenCLIP's own naming"},
		{"body.0.rdb1.", "an upscaler (ESRGAN)"},
		{"model.1.sub.0.RDB1.", "an upscaler (ESRGAN)"},
	} {
		if o.piece[0] == '.' && f.with(o.piece) != "" || o.piece[0] != '.' && f.under(o.piece) {
			return Other{Name: o.what, Use: useOf(o.what)}, true
		}
	}
	return Other{}, false
}

// useOf says what to do with a file of a kind, or "".
func useOf(what string) string {
	if strings.HasPrefix(what, "a ControlNet") {
		return "give the model that it goes with, and this file with --control"
	}
	return ""
}

// part names parts of a Stable Diffusion that stand alone.
func part(f *file, _ Values) (Other, bool) {
	whole := "give the folder that it is in, or the model that it is of"
	switch {
	case f.under("unet.down_blocks."), f.under("vae.encoder.down_blocks."):
		return Other{Name: "a model in the naming of diffusers, in one file"}, true
	case f.under("down_blocks."):
		return Other{Name: "a U-Net alone, in the naming of diffusers" + f.context("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"), Use: whole}, true
	case f.under("encoder.down_blocks."):
		return Other{Name: "an autoencoder in the naming of diffusers", Use: "give its folder, with config.json beside the weights"}, true
	case f.has("label_emb.0.0.weight"):
		return Other{Name: "the U-Net of Stable Diffusion XL or v2 unCLIP alone"}, true
	case f.under("input_blocks."):
		return Other{Name: "a U-Net alone" + f.context("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"), Use: whole}, true
	case f.under("diffusion_model."):
		return Other{Name: "a U-Net alone" + f.context("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"), Use: whole}, true
	case f.under(prefixUNet) && !f.under(prefixFirstStage):
		what := "a U-Net"
		if f.under(prefixConditioner) {
			what = "a U-Net and a text encoder"
		}
		return Other{Name: what + " without a first stage" + f.context(prefixUNet+"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"), Use: "a model needs its first stage (" + prefixFirstStage + "*)"}, true
	}
	for _, prefix := range []string{"", "text_model.", "transformer.text_model.", "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."} {
		if s := f.shapes[prefix+"embeddings.token_embedding.weight"]; len(s) == 2 {
			return Other{Name: fmt.Sprintf("a CLIP text encoder alone, %d channels", s[1]), Use: whole,
				Facts: [][2]string{{"tokens", strconv.Itoa(s[0])}, {"layers", strconv.Itoa(f.count(prefix + "encoder.layers.%d.layer_norm1.weight"))}}}, true
		}
	}
	if s := f.shapes["token_embedding.weight"]; len(s) == 2 && f.under("transformer.resblocks.") {
		return Other{Name: fmt.Sprintf("an OpenCLIP text encoder alone, %d channels", s[1])}, true
	}
	return Other{}, false
}

func (f *file) count(format string) int {
	n := 0
	for f.has(fmt.Sprintf(format, n)) && n < maxLayers {
		n++
	}
	return n
}

// context says of which version a U-Net is, from the width of its context.
func (f *file) context(key string) string {
	s := f.shapes[key]
	if len(s) != 2 {
		return ""
	}
	return versionOf(s[1])
}

// versionOf names the models whose context has so many channels.
func versionOf(context int) string {
	switch context {
	case 768:
		return " of Stable Diffusion v1"
	case 1024:
		return " of Stable Diffusion v2"
	case 1280:
		return " of the text-to-image model of 1.45 B parameters, or of Stable Diffusion XL's refiner"
	case 2048:
		return " of Stable Diffusion XL"
	}
	return fmt.Sprintf(" with a context of %d channels", context)
}

// metric names networks that pictures are judged by.
func metric(f *file, _ Values) (Other, bool) {
	switch {
	case f.has("lin0.model.1.weight") && len(f.names) <= 10:
		return Other{Name: fmt.Sprintf("the heads of LPIPS, %d of them", len(f.names))}, true
	case f.with("lin0.model.1.weight") != "" || f.with("lin0.1.weight") != "" || f.under("lin.0.") || f.with("linear_layers.0") != "":
		return Other{Name: "LPIPS, the perceptual distance"}, true
	case f.with("squeeze.weight") != "" && f.with("expand1x1.weight") != "":
		return Other{Name: "SqueezeNet's features, as LPIPS has them"}, true
	case f.has("features.0.weight") && f.has("classifier.0.weight"), f.under("features.0."):
		return Other{Name: "a classifier of torchvision (VGG, AlexNet)"}, true
	case f.under("Mixed_5b."), f.under("Conv2d_1a_3x3."):
		return Other{Name: "Inception v3"}, true
	}
	return Other{}, false
}

// small names files of very few tensors.
func small(f *file, _ Values) (Other, bool) {
	switch {
	case len(f.names) == 2 && f.has("weight") && f.has("bias") && len(f.shapes["weight"]) == 2:
		s := f.shapes["weight"]
		return Other{Name: fmt.Sprintf("one linear layer, %d to %d, such as LAION's aesthetic predictor", s[1], s[0])}, true
	case len(f.names) == 1 && f.has("tensor"):
		return Other{Name: fmt.Sprintf("one bare tensor of shape %v", f.shapes["tensor"])}, true
	case f.listOfPairs():
		return Other{Name: fmt.Sprintf("a LoRA of cloneofsimo/lora, as a bare list of %d matrices", len(f.names)), Use: "give the model that it changes, and this file with --lora",
			Facts: [][2]string{{"rank", strconv.Itoa(f.shapes["1"][0])}}}, true
	case f.hypernetwork():
		return Other{Name: "a hypernetwork of A1111"}, true
	case f.has("0") && len(f.names) == f.count("%d"):
		return Other{Name: fmt.Sprintf("a bare list of %d tensors", len(f.names))}, true
	}
	return Other{}, false
}

// listOfPairs tells whether a bare list is one of pairs of low rank: out x r, r x in.
func (f *file) listOfPairs() bool {
	n := f.count("%d")
	if n < 2 || n%2 != 0 || n != len(f.names) {
		return false
	}
	for i := 0; i < n; i += 2 {
		up, down := f.shapes[strconv.Itoa(i)], f.shapes[strconv.Itoa(i+1)]
		if len(up) < 2 || len(down) < 2 || up[1] != down[0] || up[1] >= up[0] || down[0] >= down[1] {
			return false
		}
	}
	return true
}

// hypernetwork tells whether all tensors belong to networks that are numbered by
// the widths of contexts and attention.
func (f *file) hypernetwork() bool {
	return len(f.names) > 0 && !slices.ContainsFunc(f.names, func(name string) bool {
		width, rest, _ := strings.Cut(name, ".")
		return !slices.Contains([]string{"320", "640", "768", "1024", "1280"}, width) || !strings.HasSuffix(rest, ".weight") && !strings.HasSuffix(rest, ".bias")
	})
}

// parts sums up what stands before the first dot of names.
func parts(names []string) string {
	count := map[string]int{}
	var order []string
	for _, name := range names {
		head, _, ok := strings.Cut(name, ".")
		if !ok {
			head = name
		}
		if count[head] == 0 {
			order = append(order, head)
		}
		count[head]++
	}
	const most = 6
	var out []string
	for i, head := range order {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(order)-most))
			break
		}
		out = append(out, fmt.Sprintf("%s (%d)", head, count[head]))
	}
	return strings.Join(out, ", ")
}
