package recognise

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// resolution places the attention of first stages. Another one would do, with
// attn_resolutions to match.
const resolution = 256

// firstStage is an autoencoder's structure.
type firstStage struct{ autoencoder.Config }

// readFirstStage infers an autoencoder's structure. It looks at the encoder;
// checkFirstStage compares the decoder.
func readFirstStage(r *reader) (firstStage, error) {
	var c firstStage
	in := r.shape("encoder.conv_in.weight", 4)
	c.DD = autoencoder.DDConfig{Ch: in[0], InChannels: in[1], Resolution: resolution, AttnResolutions: []int{}}
	levels := r.count("encoder.down.%d.block.0.conv1.weight", maxLevels)
	for level := 0; level < levels && r.err == nil; level++ {
		at := fmt.Sprintf("encoder.down.%d.", level)
		ch := r.shape(at+"block.0.conv1.weight", 4)[0]
		c.DD.ChMult = append(c.DD.ChMult, r.ratio(at+"block.0", ch, c.DD.Ch))
		if r.has(at+"attn.0.norm.weight") || r.has(at+"attn.0.to_qkv.weight") {
			c.DD.AttnResolutions = append(c.DD.AttnResolutions, resolution>>level)
		}
	}
	c.DD.NumResBlocks = r.count("encoder.down.0.block.%d.conv1.weight", maxRepeat)
	switch {
	case r.has("encoder.mid.attn_1.to_qkv.weight"):
		c.DD.AttnType = autoencoder.AttnLinear
	case !r.has("encoder.mid.attn_1.q.weight"):
		c.DD.AttnType = autoencoder.AttnNone
	}
	c.DD.ZChannels, c.DD.OutCh = r.shape("encoder.conv_out.weight", 4)[0], r.shape("decoder.conv_out.weight", 4)[0]
	if r.has("quantize.embedding.weight") {
		c.Kind = autoencoder.VQ
		book := r.shape("quantize.embedding.weight", 2)
		c.NEmbed, c.EmbedDim = book[0], book[1]
		return c, r.err
	}
	c.DD.DoubleZ = true
	c.DD.ZChannels = r.ratio("encoder.conv_out", c.DD.ZChannels, 2)
	c.EmbedDim = r.ratio("quant_conv", r.shape("quant_conv.weight", 4)[0], 2)
	return c, r.err
}

func (c firstStage) kind() string {
	if c.Kind == autoencoder.VQ {
		return KindVQ
	}
	return KindKL
}

func (c firstStage) target(alone bool) string {
	switch {
	case c.Kind == autoencoder.KL:
		return config.TargetAutoencoderKL
	case alone:
		return config.TargetVQModel
	}
	return config.TargetVQModelInterface
}

// params are the arguments of the first stage, whose loss training would need.
func (c firstStage) params() map[string]any {
	dd := map[string]any{
		"double_z": c.DD.DoubleZ, "z_channels": c.DD.ZChannels, "resolution": c.DD.Resolution, "in_channels": c.DD.InChannels,
		"out_ch": c.DD.OutCh, "ch": c.DD.Ch, "ch_mult": c.DD.ChMult, "num_res_blocks": c.DD.NumResBlocks,
		"attn_resolutions": c.DD.AttnResolutions, "dropout": 0.0,
	}
	if c.DD.AttnType != autoencoder.AttnVanilla {
		dd["attn_type"] = c.DD.AttnType.String()
	}
	m := map[string]any{"embed_dim": c.EmbedDim, "ddconfig": dd, "lossconfig": map[string]any{"target": config.TargetIdentity}}
	if c.Kind == autoencoder.VQ {
		m["n_embed"] = c.NEmbed
	}
	return m
}

func (c firstStage) assume(m *Model) {
	m.assume("the decoder's output is the picture, without tanh (tanh_out)")
}

// checkFirstStage builds the first stage and compares it with the file's. Its
// losses are no part of it.
func checkFirstStage(t config.Target, kind autoencoder.Kind, prefix string, names []string, shapes map[string][]int) error {
	c := autoencoder.Config{Kind: kind}
	if err := t.Decode(&c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	g := graph.New()
	b := nn.NewBuilder(g).In(strings.TrimSuffix(prefix, "."))
	f := c.Factor()
	c.Encode(b, g.Input("x", 1, f, f, c.PictureChannels()))
	c.Decode(b, g.Input("z", 1, 1, 1, c.LatentChannels()))
	return exact(g, prefix, []string{"encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize."}, names, shapes)
}
