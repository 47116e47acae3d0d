package recognise

import (
	"fmt"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// readUNet infers all but the heads of a U-Net. It looks at the places that tell
// something; checkUNet compares the rest.
func readUNet(r *reader) (unet.Config, error) {
	c := unet.Default()
	in, out := r.shape("input_blocks.0.0.weight", 4), r.shape("out.2.weight", 4)
	c.ModelChannels, c.InChannels, c.OutChannels = in[0], in[1], out[0]
	readResampling(r, &c)
	levels := r.ratio("output_blocks", r.count("output_blocks.%d.0.in_layers.2.weight", maxLevels*(maxRepeat+1)), c.NumResBlocks+1)
	if levels < 1 || levels > maxLevels {
		r.fail("%soutput_blocks: %d levels", r.prefix, levels)
	}
	c.ChannelMult, c.AttentionResolutions = nil, []int{}
	for level := 0; level < levels && r.err == nil; level++ {
		block := fmt.Sprintf("input_blocks.%d.", 1+level*(c.NumResBlocks+1))
		ch := r.shape(block+"0.in_layers.2.weight", 4)[0]
		c.ChannelMult = append(c.ChannelMult, r.ratio(block+"0", ch, c.ModelChannels))
		if r.has(block + "1.norm.weight") {
			c.AttentionResolutions = append(c.AttentionResolutions, 1<<level)
		}
	}
	ch := r.shape("input_blocks.1.0.in_layers.2.weight", 4)[0]
	c.UseScaleShiftNorm = r.shape("input_blocks.1.0.emb_layers.1.weight", 2)[0] == 2*ch
	readTransformer(r, &c)
	if r.has("label_emb.weight") {
		c.NumClasses = r.shape("label_emb.weight", 2)[0]
	}
	if r.has("time_embed.cond_proj.weight") {
		c.TimeCondProjDim = r.shape("time_embed.cond_proj.weight", 2)[1]
	}
	if r.has("id_predictor.1.weight") {
		c.NEmbed = r.shape("id_predictor.1.weight", 4)[0]
	}
	return c, r.err
}

// readResampling finds how levels end and with it how many blocks they have. A
// convolution is seen by its name and pooling by the gap it leaves, having no
// parameters; a residual block that halves looks like any other, but the one
// that doubles is the second or third part of an output block.
func readResampling(r *reader, c *unet.Config) {
	residual := func(i int) bool { return r.has(fmt.Sprintf("input_blocks.%d.0.in_layers.2.weight", i)) }
	i := 1
	for residual(i) && i <= maxLevels*(maxRepeat+1) {
		i++
	}
	c.NumResBlocks = i - 1
	switch {
	case r.has(fmt.Sprintf("input_blocks.%d.0.op.weight", i)):
	case residual(i + 1):
		c.ConvResample = new(bool)
	default:
		for j := range i - 1 {
			if r.has(fmt.Sprintf("output_blocks.%d.1.in_layers.2.weight", j)) || r.has(fmt.Sprintf("output_blocks.%d.2.in_layers.2.weight", j)) {
				c.NumResBlocks, c.ResblockUpdown = j, true
				break
			}
		}
	}
	if c.NumResBlocks < 1 || c.NumResBlocks > maxRepeat {
		r.fail("%sinput_blocks: %d residual blocks at each level", r.prefix, c.NumResBlocks)
		c.NumResBlocks = 1
	}
}

// readTransformer tells spatial transformers from attention blocks in the
// middle, where there is always one of them.
func readTransformer(r *reader, c *unet.Config) {
	if r.has("middle_block.1.qkv.weight") {
		return
	}
	c.UseSpatialTransformer = true
	c.TransformerDepth = r.count("middle_block.1.transformer_blocks.%d.norm1.weight", maxRepeat)
	c.ContextDim = r.shape("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 2)[1]
	c.LinearInTransformer = len(r.shapes[r.prefix+"middle_block.1.proj_in.weight"]) == 2
}

// unetParams are the arguments of a U-Net, with the heads of a published one.
func unetParams(c unet.Config, p published) map[string]any {
	m := map[string]any{
		"image_size": p.imageSize, "in_channels": c.InChannels, "out_channels": c.OutChannels, "model_channels": c.ModelChannels,
		"num_res_blocks": c.NumResBlocks, "channel_mult": c.ChannelMult, "attention_resolutions": c.AttentionResolutions,
		"use_scale_shift_norm": c.UseScaleShiftNorm, "resblock_updown": c.ResblockUpdown,
	}
	if c.ConvResample != nil {
		m["conv_resample"] = *c.ConvResample
	}
	if c.UseSpatialTransformer {
		m["use_spatial_transformer"], m["transformer_depth"], m["context_dim"] = true, c.TransformerDepth, c.ContextDim
	}
	if c.NumClasses > 0 {
		m["num_classes"] = c.NumClasses
	}
	if c.TimeCondProjDim > 0 {
		m["time_cond_proj_dim"] = c.TimeCondProjDim
	}
	if c.NEmbed > 0 {
		m["n_embed"] = c.NEmbed
	}
	if heads, channels := p.headsOf(c); channels > 0 {
		m["num_head_channels"] = channels
	} else {
		m["num_heads"] = heads
	}
	if c.LinearInTransformer {
		m["use_linear_in_transformer"] = true
	}
	if p.notLegacy {
		m["legacy"] = false
	}
	return m
}

// checkUNet builds the U-Net and compares it with the file's.
func checkUNet(t config.Target, names []string, shapes map[string][]int) error {
	c := unet.Default()
	if err := t.Decode(&c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	g := graph.New()
	c.Build(nn.NewBuilder(g).In(prefixUNet[:len(prefixUNet)-1]), c.Smallest(g))
	return exact(g, prefixUNet, []string{""}, names, shapes)
}
