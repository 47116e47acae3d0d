package lora

import (
	"strings"

	"github.com/ldm-go/ldm/tensor"
)

// site is where a module of other programs lies in a model: in two parameters, or in a
// third of their rows where queries, keys and values have one matrix.
type site struct {
	weight, bias string
	third        int // 1 to 3; 0: the whole
}

// siteOf is the site of a module of ours.
func siteOf(module string) site { return site{weight: module + ".weight", bias: module + ".bias"} }

// shape is that of a site's part of a parameter.
func (s site) shape(whole tensor.Shape) tensor.Shape {
	if s.third == 0 || len(whole) == 0 {
		return whole
	}
	return append(tensor.Shape{whole[0] / 3}, whole[1:]...)
}

// rows are a site's numbers of a parameter.
func (s site) rows(x []float32) []float32 {
	if s.third == 0 {
		return x
	}
	n := len(x) / 3
	return x[(s.third-1)*n : s.third*n]
}

// prefixOpen is before the names of the layers of an OpenCLIP text encoder, as in Stable
// Diffusion v2's files.
const prefixOpen = prefixText + "model.transformer.resblocks."

// attnInProj is the one matrix for queries, keys and values there, as a module.
const attnInProj = ".attn.in_proj"

// openModules are the modules of such a layer, by Hugging Face's names.
var openModules = map[string]string{
	"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}

// addOpen adds the module that a parameter of a layer belongs to. LoRAs name its parts as
// Hugging Face's text encoder does, whose layers have the same numbers.
func (b *Base) addOpen(parameter string) {
	number, rest, _ := strings.Cut(parameter, ".")
	layer := "text_model.encoder.layers." + number + "."
	if rest == "attn.in_proj_weight" {
		ours := prefixOpen + number + attnInProj
		where := site{weight: ours + "_weight", bias: ours + "_bias"}
		b.add(where, []string{strings.TrimPrefix(ours, prefixText)}, dottedText, lowText)
		for i, leaf := range []string{"q_proj", "k_proj", "v_proj"} {
			where.third = i + 1
			b.addText(where, layer+"self_attn."+leaf)
			b.written[ours] = append(b.written[ours], lowText[0]+low(layer+"self_attn."+leaf))
		}
		return
	}
	module, ok := strings.CutSuffix(rest, ".weight")
	if theirs := openModules[module]; ok && theirs != "" {
		ours := prefixOpen + number + "." + module
		b.addText(siteOf(ours), layer+theirs)
		b.add(siteOf(ours), []string{strings.TrimPrefix(ours, prefixText)}, dottedText, lowText)
		b.written[ours] = []string{lowText[0] + low(layer+theirs)}
	}
}
