package autoencoder

import (
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// TinyConfig describes a tiny autoencoder: the distilled first stages of
// O. Boer Bohan (TAESD and its like), which stand in for a large one's encoder and
// decoder on its scaled latents. The names are those of the class AutoencoderTiny
// in diffusers; a half whose blocks are empty is absent.
type TinyConfig struct {
	InChannels     int   `yaml:"in_channels"`
	OutChannels    int   `yaml:"out_channels"`
	LatentChannels int   `yaml:"latent_channels"`
	Width          int   `yaml:"width"`                        // channels of every layer within
	EncoderBlocks  []int `yaml:"num_encoder_blocks,omitempty"` // at full size first, each half as large
	DecoderBlocks  []int `yaml:"num_decoder_blocks,omitempty"` // at latent size first, each twice as large
}

// factor is the ratio of a picture's side to its latent's.
func (t TinyConfig) factor() int {
	return 1 << max(len(t.EncoderBlocks)-1, len(t.DecoderBlocks)-1, 0)
}

func (t TinyConfig) validate() error {
	blocks := slices.Concat(t.EncoderBlocks, t.DecoderBlocks)
	switch {
	case min(t.InChannels, t.OutChannels, t.LatentChannels, t.Width) < 1:
		return fmt.Errorf("autoencoder: in_channels %d, out_channels %d, latent_channels %d, width %d: want at least 1 each",
			t.InChannels, t.OutChannels, t.LatentChannels, t.Width)
	case len(blocks) == 0 || len(blocks) > 20 || slices.Min(blocks) < 0 || slices.Max(blocks) > 100:
		return fmt.Errorf("autoencoder: num_encoder_blocks %v, num_decoder_blocks %v: want the number of blocks for each size",
			t.EncoderBlocks, t.DecoderBlocks)
	case len(t.EncoderBlocks) > 0 && len(t.DecoderBlocks) > 0 && len(t.EncoderBlocks) != len(t.DecoderBlocks):
		return fmt.Errorf("autoencoder: num_encoder_blocks %v, num_decoder_blocks %v: want as many sizes", t.EncoderBlocks, t.DecoderBlocks)
	}
	return nil
}

// encoder turns pictures [N, H, W, InChannels] in [-1, 1] into latents [N, H/f,
// W/f, LatentChannels]. The layers are numbered as in the published files.
func (t TinyConfig) encoder() []Step {
	s := sequence{at: "encoder"}
	s.conv(t.Width, func(b nn.Builder, x graph.Value) graph.Value { return b.G.Affine(x, .5, .5) }, nil)
	for i, blocks := range t.EncoderBlocks {
		if i > 0 {
			s.add(Step{Down: 2, Reach: 1, Build: tinyDownsample})
		}
		s.blocks(blocks)
	}
	s.conv(t.LatentChannels, nil, nil)
	return s.chain
}

// latentMagnitude bounds the latents that the decoder sees, softly.
const latentMagnitude = 3

// decoder turns latents [N, h, w, LatentChannels] into pictures [N, f·h, f·w,
// OutChannels], about in [-1, 1].
func (t TinyConfig) decoder() []Step {
	s := sequence{at: "decoder", layer: 1} // the bound counts as a layer
	s.conv(t.Width, func(b nn.Builder, z graph.Value) graph.Value {
		return b.G.Affine(b.G.Unary(graph.Tanh, b.G.Affine(z, 1./latentMagnitude, 0)), latentMagnitude, 0)
	}, func(b nn.Builder, h graph.Value) graph.Value { return b.G.Unary(graph.ReLU, h) })
	s.layer++ // the ReLU
	for i, blocks := range t.DecoderBlocks {
		s.blocks(blocks)
		if i < len(t.DecoderBlocks)-1 {
			s.layer++ // the enlargement
			s.add(Step{Up: 2, Reach: 1, Build: tinyUpsample})
		}
	}
	s.conv(t.OutChannels, nil, func(b nn.Builder, h graph.Value) graph.Value { return b.G.Affine(h, 2, -1) })
	return s.chain
}

// sequence adds layers that are numbered one after the other.
type sequence struct {
	chain
	at    string
	layer int
}

// add adds the next layer.
func (s *sequence) add(step Step) {
	s.chain.add(numbered(s.at, s.layer), step)
	s.layer++
}

// conv adds a convolution with something before and behind it.
func (s *sequence) conv(width int, before, behind func(nn.Builder, graph.Value) graph.Value) {
	s.add(Step{Reach: 1, Build: func(b nn.Builder, _ Norm, h graph.Value) graph.Value {
		if before != nil {
			h = before(b, h)
		}
		h = nn.Conv2D(b, h, width, nn.Conv3)
		if behind != nil {
			h = behind(b, h)
		}
		return h
	}})
}

func tinyDownsample(b nn.Builder, _ Norm, h graph.Value) graph.Value { return convNoBias(b, h, 2) }

func tinyUpsample(b nn.Builder, _ Norm, h graph.Value) graph.Value {
	return convNoBias(b, b.G.Upsample(h, 2), 1)
}

func convNoBias(b nn.Builder, h graph.Value, stride int) graph.Value {
	c := h.Dim(3)
	op := graph.Conv2D{Stride: stride, Top: 1, Bottom: 1, Left: 1, Right: 1}
	return b.G.Conv2D(h, b.Param("weight", nn.Uniform(c*9), c, c, 3, 3), graph.Value{}, op)
}

// blocks adds residual blocks of three convolutions: relu(x + conv(relu(conv(relu(conv(x)))))).
func (s *sequence) blocks(n int) {
	for range n {
		s.add(Step{Reach: 3, Build: func(b nn.Builder, _ Norm, x graph.Value) graph.Value {
			h := x
			for i := range 3 {
				h = nn.Conv2D(b.In(numbered("conv", 2*i)), h, x.Dim(3), nn.Conv3)
				if i < 2 {
					h = b.G.Unary(graph.ReLU, h)
				}
			}
			return b.G.Unary(graph.ReLU, b.G.Add(x, h))
		}})
	}
}
