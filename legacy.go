package ldm

import (
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/unet"
)

// How many heads the cross-attention of the legacy models gets. Three published
// models (class-conditional LDM-8 cin256, text2img256, and
// layout2img-openimages256) were trained when the reference ignored
// num_head_channels in spatial transformers and used one head; their YAML says
// num_head_channels: 32, which the reference has honoured since. Weights have
// the same shapes either way, so nothing but the pictures tells.
const (
	HeadsAuto   = "auto"   // one head for models of the structure of those three, the YAML's for all others
	HeadsOne    = "one"    // one head
	HeadsConfig = "config" // what the YAML says
)

// legacyModels are the U-Nets of the three models.
var legacyModels = []struct {
	name                        string
	inChannels, channels, depth int
	mult                        []int
	context                     int
}{
	{"cin256 (LDM-8)", 4, 256, 1, []int{1, 2, 4}, 512},
	{"text2img256", 3, 192, 1, []int{1, 2, 3, 5}, 640},
	{"layout2img-openimages256", 3, 128, 3, []int{1, 2, 3, 4}, 512},
}

// legacyModel names the published model whose structure this is, if it is one
// of the three and its YAML asks for heads of 32 channels.
func legacyModel(c unet.Config) string {
	for _, m := range legacyModels {
		if c.UseSpatialTransformer && c.NumHeadChannels == 32 && c.NumHeads < 1 && c.InChannels == m.inChannels && c.ModelChannels == m.channels &&
			slices.Equal(c.ChannelMult, m.mult) && c.ContextDim == m.context && c.TransformerDepth == m.depth {
			return m.name
		}
	}
	return ""
}

// applyLegacyHeads sets one head where the setting says so. Files that this
// program wrote mean what they say.
func (n *Network) applyLegacyHeads(s *Source, o LoadOptions) error {
	switch o.Heads {
	case HeadsConfig:
		return nil
	case HeadsOne:
	case "", HeadsAuto:
		name := legacyModel(n.UNet)
		if name == "" || s.Metadata()[metaConfig] != "" {
			return nil
		}
		o.log("assumed: one attention head, as %s was trained (--legacy-heads config takes the configuration's instead)", name)
	default:
		return fmt.Errorf("heads %q: want %s, %s or %s", o.Heads, HeadsAuto, HeadsOne, HeadsConfig)
	}
	n.UNet.NumHeads, n.UNet.NumHeadChannels = 1, -1
	return n.UNet.Validate()
}
