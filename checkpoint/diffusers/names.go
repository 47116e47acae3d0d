package diffusers

import (
	"fmt"
	"strings"
)

// table maps our modules to theirs.
type table map[string]module

// module is what a module is called there, and what its layers are called: nil
// is all as here.
type module struct {
	name   string
	layers map[string][]string
	also   []string // other programs' names, or other versions'
}

// What the layers of modules are called, newest names first.
var (
	unetResnet = map[string][]string{
		"in_layers.0": {"norm1"}, "in_layers.2": {"conv1"}, "emb_layers.1": {"time_emb_proj"},
		"out_layers.0": {"norm2"}, "out_layers.3": {"conv2"}, "skip_connection": {"conv_shortcut"},
	}
	stageResnet = map[string][]string{
		"norm1": {"norm1"}, "conv1": {"conv1"}, "norm2": {"norm2"}, "conv2": {"conv2"}, "nin_shortcut": {"conv_shortcut"},
	}
	stageAttention = map[string][]string{
		"norm": {"group_norm"}, "q": {"to_q", "query"}, "k": {"to_k", "key"}, "v": {"to_v", "value"},
		"proj_out": {"to_out.0", "proj_attn"},
	}
	bertAttention = map[string][]string{
		"to_q": {"q_proj"}, "to_k": {"k_proj"}, "to_v": {"v_proj"}, "to_out": {"out_proj"},
	}
)

// lookup gives the names of one of our parameters, none if there is no counterpart.
func (t table) lookup(ours string) []string {
	end := strings.LastIndexByte(ours, '.')
	if leaf := ours[end+1:]; end < 0 || leaf != "weight" && leaf != "bias" {
		return nil
	}
	path, leaf := ours[:end], ours[end:]
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '.' {
			continue
		}
		if m, ok := t[path[:i]]; ok {
			return m.inside(strings.TrimPrefix(path[i:], "."), leaf)
		}
	}
	return nil
}

// inside gives the names of a layer's parameter.
func (m module) inside(layer, leaf string) (names []string) {
	theirs := []string{layer}
	if m.layers != nil {
		theirs = m.layers[layer]
	}
	for _, name := range append([]string{m.name}, m.also...) {
		for _, n := range theirs {
			names = append(names, strings.Trim(name+"."+n, ".")+leaf)
		}
	}
	return names
}

// UNetNames leads from the parameters of a U-Net with n residual blocks a level, of
// which those levels attend that are marked, to what diffusers calls them: no names
// where there is no counterpart.
func UNetNames(n int, attends []bool) func(ours string) []string { return unetNames(n, attends).lookup }

// BERTNames is the same for an LDMBertModel.
func BERTNames(layers int) func(ours string) []string { return bertNames(layers).lookup }

// unetNames are the modules of a U-Net with n residual blocks a level, of which
// those levels attend that are marked.
func unetNames(n int, attends []bool) table {
	t := table{
		"time_embed.0": {name: "time_embedding.linear_1"}, "time_embed.2": {name: "time_embedding.linear_2"},
		"time_embed.cond_proj": {name: "time_embedding.cond_proj"},
		"input_blocks.0.0":     {name: "conv_in"}, "out.0": {name: "conv_norm_out"}, "out.2": {name: "conv_out"},
		"middle_block.0": {name: "mid_block.resnets.0", layers: unetResnet}, "middle_block.2": {name: "mid_block.resnets.1", layers: unetResnet},
		"middle_block.1": {name: "mid_block.attentions.0"},
	}
	levels := len(attends)
	for i := range levels {
		down, up := fmt.Sprintf("down_blocks.%d.", i), fmt.Sprintf("up_blocks.%d.", i)
		for j := range n {
			t.block(fmt.Sprintf("input_blocks.%d.", 1+i*(n+1)+j), down, j, attends[i])
		}
		upAttends := attends[levels-1-i]
		for j := range n + 1 {
			t.block(fmt.Sprintf("output_blocks.%d.", i*(n+1)+j), up, j, upAttends)
		}
		if i == levels-1 {
			continue // the last does not resample
		}
		t[fmt.Sprintf("input_blocks.%d.0.op", (i+1)*(n+1))] = module{name: down + "downsamplers.0.conv"}
		place := 1 // the upsampler comes behind the attention
		if upAttends {
			place = 2
		}
		t[fmt.Sprintf("output_blocks.%d.%d.conv", i*(n+1)+n, place)] = module{name: up + "upsamplers.0.conv"}
	}
	return t
}

// block adds a residual block and its attention.
func (t table) block(ours, theirs string, j int, attends bool) {
	t[ours+"0"] = module{name: fmt.Sprintf("%sresnets.%d", theirs, j), layers: unetResnet}
	if attends {
		t[ours+"1"] = module{name: fmt.Sprintf("%sattentions.%d", theirs, j)}
	}
}

// stageNames are the modules of a first stage with n residual blocks a level on
// the way down, of which those levels attend that are marked.
func stageNames(n int, attends []bool, vq bool) table {
	t := table{"quant_conv": {name: "quant_conv"}, "post_quant_conv": {name: "post_quant_conv"}}
	if vq {
		t["quantize.embedding"] = module{name: "quantize.embedding"}
	}
	for _, half := range []string{"encoder.", "decoder."} {
		t[half+"conv_in"] = module{name: half + "conv_in"}
		t[half+"norm_out"] = module{name: half + "conv_norm_out"}
		t[half+"conv_out"] = module{name: half + "conv_out"}
		t[half+"mid.block_1"] = module{name: half + "mid_block.resnets.0", layers: stageResnet}
		t[half+"mid.block_2"] = module{name: half + "mid_block.resnets.1", layers: stageResnet}
		t[half+"mid.attn_1"] = module{name: half + "mid_block.attentions.0", layers: stageAttention}
	}
	levels := len(attends)
	for i := range levels {
		down, theirDown := fmt.Sprintf("encoder.down.%d.", i), fmt.Sprintf("encoder.down_blocks.%d.", i)
		// Ours count the decoder's levels as the encoder's, theirs in the order of computation.
		up, theirUp := fmt.Sprintf("decoder.up.%d.", i), fmt.Sprintf("decoder.up_blocks.%d.", levels-1-i)
		t.stageLevel(down, theirDown, n, attends[i])
		t.stageLevel(up, theirUp, n+1, attends[i])
		if i < levels-1 {
			t[down+"downsample.conv"] = module{name: theirDown + "downsamplers.0.conv"}
		}
		if i > 0 {
			t[up+"upsample.conv"] = module{name: theirUp + "upsamplers.0.conv"}
		}
	}
	return t
}

// stageLevel adds the blocks of a level of a first stage.
func (t table) stageLevel(ours, theirs string, n int, attends bool) {
	for j := range n {
		t[fmt.Sprintf("%sblock.%d", ours, j)] = module{name: fmt.Sprintf("%sresnets.%d", theirs, j), layers: stageResnet}
		if attends {
			t[fmt.Sprintf("%sattn.%d", ours, j)] = module{name: fmt.Sprintf("%sattentions.%d", theirs, j), layers: stageAttention}
		}
	}
}

// clipNames are those of a CLIPTextModel: the reference's are the same, under a prefix.
// Files of transformers 5 have none.
func clipNames() table {
	return table{"transformer.text_model": {name: "text_model", also: []string{""}}}
}

// bertNames are the modules of an LDMBertModel.
func bertNames(layers int) table {
	t := table{
		"transformer.token_emb":   {name: "model.embed_tokens"},
		"transformer.pos_emb.emb": {name: "model.embed_positions"},
		"transformer.norm":        {name: "model.layer_norm"},
		"transformer.to_logits":   {name: "to_logits"},
	}
	for i := range layers {
		theirs := fmt.Sprintf("model.layers.%d.", i)
		attention := fmt.Sprintf("transformer.attn_layers.layers.%d.", 2*i)
		forward := fmt.Sprintf("transformer.attn_layers.layers.%d.", 2*i+1)
		t[attention+"0"] = module{name: theirs + "self_attn_layer_norm"}
		t[attention+"1"] = module{name: theirs + "self_attn", layers: bertAttention}
		t[forward+"0"] = module{name: theirs + "final_layer_norm"}
		t[forward+"1.net.0.0"] = module{name: theirs + "fc1"}
		t[forward+"1.net.2"] = module{name: theirs + "fc2"}
	}
	return t
}
