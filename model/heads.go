package model

import (
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/unet"
)

// Heads says how many heads the cross-attention of the legacy models gets. Three
// published models (class-conditional LDM-8 cin256, text2img256, and
// layout2img-openimages256) were trained when the reference ignored
// num_head_channels in spatial transformers and used one head; their YAML says
// num_head_channels: 32, which the reference has honoured since. Weights have
// the same shapes either way, so nothing but the pictures tells.
type Heads uint8

// The settings of heads.
const (
	HeadsAuto   Heads = iota // one head for models of the structure of those three, the YAML's for all others
	HeadsOne                 // one head
	HeadsConfig              // what the YAML says
)

var headsNames = []string{"auto", "one", "config"}

func (h Heads) String() string { return headsNames[h] }

// UnmarshalText reads a setting as flags have it.
func (h *Heads) UnmarshalText(b []byte) error {
	i := slices.Index(headsNames, string(b))
	if i < 0 {
		return fault.Inputf("heads %q: want auto, one or config", b)
	}
	*h = Heads(i)
	return nil
}

// MarshalText writes a setting.
func (h Heads) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

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

// LegacyModel names the published model whose structure this is, if it is one
// of the three and its YAML asks for heads of 32 channels.
func LegacyModel(c unet.Config) string {
	for _, m := range legacyModels {
		if c.UseSpatialTransformer && c.NumHeadChannels == 32 && c.NumHeads < 1 && c.InChannels == m.inChannels && c.ModelChannels == m.channels &&
			slices.Equal(c.ChannelMult, m.mult) && c.ContextDim == m.context && c.TransformerDepth == m.depth {
			return m.name
		}
	}
	return ""
}

// SetHeads sets one head where the setting says so. Where it is HeadsAuto, that
// is if LegacyModel knows the model; what was assumed is its name then.
func (n *Network) SetHeads(h Heads) (assumed string, err error) {
	switch h {
	case HeadsConfig:
		return "", nil
	case HeadsAuto:
		if assumed = LegacyModel(n.UNet); assumed == "" {
			return "", nil
		}
	}
	n.UNet.NumHeads, n.UNet.NumHeadChannels = 1, -1
	return assumed, n.UNet.Validate()
}
