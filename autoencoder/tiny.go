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

// encode turns pictures [N, H, W, InChannels] in [-1, 1] into latents [N, H/f,
// W/f, LatentChannels]. The layers are numbered as in the published files.
func (t TinyConfig) encode(b nn.Builder, x graph.Value) graph.Value {
	if len(t.EncoderBlocks) == 0 {
		b.G.Fail("this first stage has a decoder alone")
		return x
	}
	s := sequence{b: b, x: b.G.Affine(x, .5, .5)}
	s.conv(t.Width)
	for i, blocks := range t.EncoderBlocks {
		if i > 0 {
			s.convNoBias(t.Width, 2)
		}
		s.blocks(blocks)
	}
	s.conv(t.LatentChannels)
	return s.x
}

// latentMagnitude bounds the latents that the decoder sees, softly.
const latentMagnitude = 3

// decode turns latents [N, h, w, LatentChannels] into pictures [N, f·h, f·w,
// OutChannels], about in [-1, 1].
func (t TinyConfig) decode(b nn.Builder, z graph.Value) graph.Value {
	if len(t.DecoderBlocks) == 0 {
		b.G.Fail("this first stage has an encoder alone")
		return z
	}
	g := b.G
	bounded := g.Affine(g.Unary(graph.Tanh, g.Affine(z, 1./latentMagnitude, 0)), latentMagnitude, 0)
	s := sequence{b: b, x: bounded, layer: 1} // the bound counts as a layer
	s.conv(t.Width)
	s.x = g.Unary(graph.ReLU, s.x)
	s.layer++
	for i, blocks := range t.DecoderBlocks {
		s.blocks(blocks)
		if i < len(t.DecoderBlocks)-1 {
			s.x = g.Upsample(s.x, 2)
			s.layer++
			s.convNoBias(t.Width, 1)
		}
	}
	s.conv(t.OutChannels)
	return g.Affine(s.x, 2, -1)
}

// sequence adds layers that are numbered one after the other.
type sequence struct {
	b     nn.Builder
	x     graph.Value
	layer int
}

// next is the builder of the next layer.
func (s *sequence) next() nn.Builder {
	b := at(s.b, "", s.layer)
	s.layer++
	return b
}

func (s *sequence) conv(width int) { s.x = nn.Conv2D(s.next(), s.x, width, nn.Conv3) }

func (s *sequence) convNoBias(width, stride int) {
	in := s.x.Dim(3)
	op := graph.Conv2D{Stride: stride, Top: 1, Bottom: 1, Left: 1, Right: 1}
	w := s.next().Param("weight", nn.Uniform(in*9), width, in, 3, 3)
	s.x = s.b.G.Conv2D(s.x, w, graph.Value{}, op)
}

// blocks adds residual blocks of three convolutions: relu(x + conv(relu(conv(relu(conv(x)))))).
func (s *sequence) blocks(n int) {
	g := s.b.G
	for range n {
		b, h := s.next(), s.x
		for i := range 3 {
			h = nn.Conv2D(at(b, "conv", 2*i), h, s.x.Dim(3), nn.Conv3)
			if i < 2 {
				h = g.Unary(graph.ReLU, h)
			}
		}
		s.x = g.Unary(graph.ReLU, g.Add(s.x, h))
	}
}
