package taesd

import (
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/fault"
)

// maxLayers bounds what a file may say.
const maxLayers = 200

// config is the structure that the layers' names and shapes tell.
func (a *Autoencoder) config() (autoencoder.TinyConfig, error) {
	var c autoencoder.TinyConfig
	var err error
	if p, ok := a.places[encoder]; ok {
		s := sizes{place: p}
		if c.EncoderBlocks, err = s.read(encoder, 1, false); err != nil {
			return c, err
		}
		c.InChannels, c.Width, c.LatentChannels = s.in, s.width, s.out
		c.OutChannels = s.in
	}
	if p, ok := a.places[decoder]; ok {
		s := sizes{place: p}
		if c.DecoderBlocks, err = s.read(decoder, 3, true); err != nil {
			return c, err
		}
		if c.Width != 0 && (c.Width != s.width || c.LatentChannels != s.in || len(c.DecoderBlocks) != len(c.EncoderBlocks)) {
			return c, fault.Filef("%s: the encoder gives %d channels at 1/%d through layers of %d, the decoder takes %d at 1/%d through layers of %d: they do not belong together",
				a.Set.Name(), c.LatentChannels, 1<<(len(c.EncoderBlocks)-1), c.Width, s.in, 1<<(len(c.DecoderBlocks)-1), s.width)
		}
		c.LatentChannels, c.Width, c.OutChannels = s.in, s.width, s.out
		if c.InChannels == 0 {
			c.InChannels = s.out
		}
	}
	return c, nil
}

// sizes reads one half's structure.
type sizes struct {
	place
	in, width, out int
}

// read counts the residual blocks of each size, and reads the channels of the
// first and last convolution. The first block is layer number first. In a decoder
// an enlargement, which has no parameters, is before the convolution that begins
// the next size.
func (s *sizes) read(side string, first int, enlarges bool) ([]int, error) {
	shape := func(layer int, rest string) []int {
		info, _ := s.file.Info(s.stored(layer, rest))
		return info.Shape
	}
	begin := shape(first-1, ".weight")
	if enlarges {
		begin = shape(1, ".weight")
	}
	blocks := []int{0}
	for layer := first; layer < maxLayers; layer++ {
		weight, bias := shape(layer, ".weight"), shape(layer, ".bias")
		switch {
		case shape(layer, ".conv.0.weight") != nil:
			blocks[len(blocks)-1]++
		case len(weight) == 4 && bias == nil:
			blocks = append(blocks, 0)
		case len(weight) == 4 && len(begin) == 4:
			s.in, s.width, s.out = begin[1], begin[0], weight[0]
			return blocks, s.complete(side, layer)
		case enlarges && len(shape(layer+1, ".weight")) == 4:
		default:
			return nil, fault.Filef("%s: layer %s is none that a tiny autoencoder has there", s.file.Name(), s.stored(layer, ""))
		}
	}
	return nil, fault.Filef("%s: the %s has more than %d layers", s.file.Name(), side, maxLayers)
}

// complete makes sure that nothing follows the last layer.
func (s *sizes) complete(side string, last int) error {
	for layer := last + 1; layer <= maxLayers; layer++ {
		for _, name := range s.file.Names() {
			if strings.HasPrefix(name, s.stored(layer, ".")) {
				return fault.Filef("%s: %s follows the last layer of the %s", s.file.Name(), name, side)
			}
		}
	}
	return nil
}
