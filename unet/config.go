// Package unet builds the denoiser: the time-conditional U-Net with
// cross-attention of section 3.2, with the reference's structure, options and
// parameter names.
package unet

import (
	"fmt"
	"math/bits"
	"slices"
)

// Config holds the arguments of the reference's UNetModel. AttentionResolutions
// are downsampling factors of the latent, not resolutions; factors that no
// level has are ignored, as there.
type Config struct {
	ImageSize             int     `yaml:"image_size"` // of no consequence
	InChannels            int     `yaml:"in_channels"`
	ModelChannels         int     `yaml:"model_channels"`
	OutChannels           int     `yaml:"out_channels"`
	NumResBlocks          int     `yaml:"num_res_blocks"`
	AttentionResolutions  []int   `yaml:"attention_resolutions"`
	Dropout               float64 `yaml:"dropout"`
	ChannelMult           []int   `yaml:"channel_mult"`
	ConvResample          *bool   `yaml:"conv_resample"` // default true
	Dims                  int     `yaml:"dims"`          // 2
	NumClasses            int     `yaml:"num_classes"`   // of conditioning key adm
	UseCheckpoint         bool    `yaml:"use_checkpoint"`
	UseFP16               bool    `yaml:"use_fp16"`
	NumHeads              int     `yaml:"num_heads"`         // -1 or 0: from NumHeadChannels
	NumHeadChannels       int     `yaml:"num_head_channels"` // -1 or 0: from NumHeads
	NumHeadsUpsample      int     `yaml:"num_heads_upsample"`
	UseScaleShiftNorm     bool    `yaml:"use_scale_shift_norm"`
	ResblockUpdown        bool    `yaml:"resblock_updown"`
	UseNewAttentionOrder  bool    `yaml:"use_new_attention_order"`
	UseSpatialTransformer bool    `yaml:"use_spatial_transformer"`
	TransformerDepth      int     `yaml:"transformer_depth"` // default 1
	LinearInTransformer   bool    `yaml:"use_linear_in_transformer"`
	LevelHeads            []int   `yaml:"level_heads"` // heads of each level, in place of NumHeads; not in the reference
	ContextDim            int     `yaml:"context_dim"`
	NEmbed                int     `yaml:"n_embed"`            // predict codebook ids
	Legacy                *bool   `yaml:"legacy"`             // default true
	TimeCondProjDim       int     `yaml:"time_cond_proj_dim"` // of the guidance's embedding, for students that are told it
}

// Default is the configuration whose fields a YAML may leave out.
func Default() Config {
	return Config{ChannelMult: []int{1, 2, 4, 8}, Dims: 2, NumHeads: -1, NumHeadChannels: -1, NumHeadsUpsample: -1, TransformerDepth: 1}
}

// Validate says what is wrong with a configuration.
func (c Config) Validate() error {
	switch {
	case c.InChannels < 1 || c.OutChannels < 1 || c.NumResBlocks < 1:
		return fmt.Errorf("unet: in_channels %d, out_channels %d, num_res_blocks %d: want at least 1 each", c.InChannels, c.OutChannels, c.NumResBlocks)
	case c.ModelChannels < 32 || c.ModelChannels%32 != 0:
		return fmt.Errorf("unet: model_channels %d: want a multiple of 32, the number of groups of its norms", c.ModelChannels)
	case len(c.ChannelMult) == 0 || len(c.ChannelMult) > 10 || slices.Min(c.ChannelMult) < 1:
		return fmt.Errorf("unet: channel_mult %v: want one positive number for each level", c.ChannelMult)
	case c.Dims != 0 && c.Dims != 2:
		return fmt.Errorf("unet: dims %d: only 2 is supported", c.Dims)
	case c.Dropout != 0:
		return fmt.Errorf("unet: dropout %g: only 0 is supported", c.Dropout)
	case len(c.LevelHeads) > 0 && (len(c.LevelHeads) != len(c.ChannelMult) || slices.Min(c.LevelHeads) < 1):
		return fmt.Errorf("unet: level_heads %v: want one positive number for each of %d levels", c.LevelHeads, len(c.ChannelMult))
	case len(c.LevelHeads) > 0 && (c.NumHeads > 0 || c.NumHeadChannels > 0 || c.NumHeadsUpsample > 0):
		return fmt.Errorf("unet: level_heads %v: want no other number of heads beside it", c.LevelHeads)
	case len(c.LevelHeads) == 0 && c.NumHeads < 1 && c.NumHeadChannels < 1:
		return fmt.Errorf("unet: one of num_heads and num_head_channels has to be set")
	case c.UseSpatialTransformer && c.ContextDim < 1:
		return fmt.Errorf("unet: use_spatial_transformer wants context_dim")
	case c.TimeCondProjDim < 0 || c.TimeCondProjDim%2 != 0:
		return fmt.Errorf("unet: time_cond_proj_dim %d: want an even number of sines and cosines, or 0", c.TimeCondProjDim)
	case c.ContextDim > 0 && !c.UseSpatialTransformer:
		return fmt.Errorf("unet: context_dim wants use_spatial_transformer")
	}
	return nil
}

// Factor is the number by which height and width of the latent must divide.
func (c Config) Factor() int { return 1 << (len(c.ChannelMult) - 1) }

// heads gives the number of heads and the channels of each at a width of ch
// channels. num is num_heads (or num_heads_upsample on the way up).
func (c Config) heads(ch, num int) (heads, dim int, err error) {
	if c.NumHeadChannels > 0 {
		num, dim = ch/c.NumHeadChannels, c.NumHeadChannels
	} else if num > 0 {
		dim = ch / num
	}
	if num < 1 {
		return 0, 0, fmt.Errorf("unet: %d channels give no heads of %d channels", ch, c.NumHeadChannels)
	}
	if c.legacy() && c.UseSpatialTransformer {
		dim = ch / num
	}
	if dim < 1 {
		return 0, 0, fmt.Errorf("unet: %d channels cannot be cut into %d heads", ch, num)
	}
	if !c.UseSpatialTransformer && num*dim != ch {
		return 0, 0, fmt.Errorf("unet: %d channels cannot be cut into heads of %d", ch, dim)
	}
	return num, dim, nil
}

// levelHeads is the number of heads at a level of downsampling factor ds: num where no
// list says otherwise.
func (c Config) levelHeads(ds, num int) int {
	if len(c.LevelHeads) > 0 {
		return c.LevelHeads[bits.TrailingZeros(uint(ds))]
	}
	return num
}

// convolves tells whether resampling has a convolution.
func (c Config) convolves() bool { return c.ConvResample == nil || *c.ConvResample }

func (c Config) legacy() bool { return c.Legacy == nil || *c.Legacy }
