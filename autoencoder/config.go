// Package autoencoder builds the first stages of the paper: an encoder that
// compresses a picture by a factor f, a decoder back, and between them a
// regularised latent (section 3.1), with the reference's parameter names.
package autoencoder

import (
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/fault"
)

// Kind says how the latent is regularised.
type Kind uint8

// The kinds of first stages. KL ones encode to the moments of a posterior; VQ
// ones to vectors that the decoder replaces by the nearest of a codebook, as
// the reference's VQModelInterface does in a diffusion model; the identity
// leaves pictures as they are; tiny ones encode to a latent without either.
const (
	KL Kind = iota
	VQ
	Identity
	Tiny
)

func (k Kind) String() string { return [...]string{"KL", "VQ", "identity", "tiny"}[k] }

// Config describes a first stage, as the reference's YAML does.
type Config struct {
	Kind     Kind     `yaml:"-"`
	EmbedDim int      `yaml:"embed_dim"`         // channels of the latent
	NEmbed   int      `yaml:"n_embed,omitempty"` // rows of the codebook of a VQ
	Remap    string   `yaml:"remap,omitempty"`   // file of the codes of a VQ that are in use; see Remap
	DD       DDConfig `yaml:"ddconfig"`

	Tiny TinyConfig `yaml:"-"` // of the kind Tiny, instead of all others

	// What follows is of no consequence to the network.
	LossConfig       map[string]any `yaml:"lossconfig,omitempty"`
	Monitor          string         `yaml:"monitor,omitempty"`
	ColorMap         any            `yaml:"colorize_nlabels,omitempty"`
	CkptPath         string         `yaml:"ckpt_path,omitempty"`
	IgnoreKeys       []string       `yaml:"ignore_keys,omitempty"`
	ImageKey         string         `yaml:"image_key,omitempty"`
	BatchResizeRange any            `yaml:"batch_resize_range,omitempty"`
	SchedulerConfig  any            `yaml:"scheduler_config,omitempty"`
	LRGFactor        float64        `yaml:"lr_g_factor,omitempty"`
	SaneIndexShape   bool           `yaml:"sane_index_shape,omitempty"`
	UseEMA           bool           `yaml:"use_ema,omitempty"`
}

// DDConfig describes the encoder and the decoder.
type DDConfig struct {
	DoubleZ         bool      `yaml:"double_z"`   // the encoder gives mean and log-variance
	ZChannels       int       `yaml:"z_channels"` // channels between encoder and decoder
	Resolution      int       `yaml:"resolution"` // places the attention; any size can be encoded
	InChannels      int       `yaml:"in_channels"`
	OutCh           int       `yaml:"out_ch"`
	Ch              int       `yaml:"ch"`
	ChMult          []int     `yaml:"ch_mult"`
	NumResBlocks    int       `yaml:"num_res_blocks"`
	AttnResolutions []int     `yaml:"attn_resolutions"`
	Dropout         float64   `yaml:"dropout"`
	AttnType        Attention `yaml:"attn_type"`
	TanhOut         bool      `yaml:"tanh_out"`
	ResampWithConv  *bool     `yaml:"resamp_with_conv"` // default true
}

// Factor is f, the ratio of a picture's side to its latent's.
func (c Config) Factor() int {
	if c.Kind == Tiny {
		return c.Tiny.factor()
	}
	return 1 << max(len(c.DD.ChMult)-1, 0)
}

// LatentChannels is the number of channels of a latent.
func (c Config) LatentChannels() int {
	switch c.Kind {
	case Identity:
		return c.PictureChannels()
	case Tiny:
		return c.Tiny.LatentChannels
	}
	return c.EmbedDim
}

// PictureChannels is the number of channels of a picture.
func (c Config) PictureChannels() int {
	switch {
	case c.Kind == Tiny:
		return c.Tiny.InChannels
	case c.Kind == Identity && c.DD.InChannels == 0:
		return 3
	}
	return c.DD.InChannels
}

// HasEncoder tells whether pictures can be encoded: of a tiny first stage there
// may be one half alone.
func (c Config) HasEncoder() bool { return c.Kind != Tiny || len(c.Tiny.EncoderBlocks) > 0 }

// HasDecoder tells whether latents can be decoded.
func (c Config) HasDecoder() bool { return c.Kind != Tiny || len(c.Tiny.DecoderBlocks) > 0 }

// Validate says what is wrong with a configuration.
func (c Config) Validate() error {
	d := c.DD
	switch {
	case c.Kind == Identity:
		return nil
	case c.Kind == Tiny:
		return c.Tiny.validate()
	case c.Kind == VQ && c.NEmbed < 1:
		return fmt.Errorf("autoencoder: n_embed %d: want the number of rows of the codebook", c.NEmbed)
	case c.Kind == KL && !d.DoubleZ || c.Kind == VQ && d.DoubleZ:
		return fmt.Errorf("autoencoder: double_z %v: a KL first stage has it true, a VQ one false", d.DoubleZ)
	case c.ColorMap != nil:
		return fault.Unsupportedf("autoencoder: colorize_nlabels %v: pictures of labels are not coloured here; leave it out", c.ColorMap)
	case c.EmbedDim < 1 || d.ZChannels < 1 || d.InChannels < 1 || d.OutCh < 1 || d.NumResBlocks < 1:
		return fmt.Errorf("autoencoder: embed_dim %d, z_channels %d, in_channels %d, out_ch %d, num_res_blocks %d: want at least 1 each",
			c.EmbedDim, d.ZChannels, d.InChannels, d.OutCh, d.NumResBlocks)
	case len(d.ChMult) == 0 || len(d.ChMult) > 10 || slices.Min(d.ChMult) < 1:
		return fmt.Errorf("autoencoder: ch_mult %v: want one positive number for each level", d.ChMult)
	case d.Ch < 32 || d.Ch%32 != 0:
		return fmt.Errorf("autoencoder: ch %d: want a multiple of 32, the number of groups of its norms", d.Ch)
	case d.Dropout != 0:
		return fmt.Errorf("autoencoder: dropout %g: only 0 is supported", d.Dropout)
	case d.ResampWithConv != nil && !*d.ResampWithConv:
		return fmt.Errorf("autoencoder: resamp_with_conv false is not supported")
	}
	return nil
}
