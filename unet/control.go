package unet

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Control is a ControlNet (Zhang et al., arXiv 2302.05543, section 3): a copy of a
// U-Net's way down and middle that sees a picture besides, and whose outputs, through
// convolutions of one pixel that begin with zeros, are added to those of the U-Net.
type Control struct {
	Config       // of the U-Net that it goes with; its InChannels are those of the latent
	Hint   []int // channels of the picture's embedding at each size: 16, 32, 96, 256
}

// Validate says what is wrong with a configuration.
func (c Control) Validate() error {
	if len(c.Hint) < 1 || len(c.Hint) > 10 || slices.Min(c.Hint) < 1 {
		return fmt.Errorf("controlnet: an embedding of the picture with channels %v: want at least one, and positive numbers", c.Hint)
	}
	return c.Config.Validate()
}

// HintFactor is the ratio of the picture's side to the latent's.
func (c Control) HintFactor() int { return 1 << (len(c.Hint) - 1) }

// BuildHint adds the embedding of pictures [N, f·H, f·W, 3] in [0, 1]: [N, H, W,
// ModelChannels]. It depends on nothing else, so that it is computed once.
func (c Control) BuildHint(b nn.Builder, x graph.Value) graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return x
	}
	b = b.In("input_hint_block")
	layer := 0
	conv := func(x graph.Value, out, stride int) graph.Value {
		at := b.In(strconv.Itoa(layer))
		layer += 2 // a SiLU is between
		return nn.Conv2D(at, x, out, nn.Conv{Kernel: 3, Conv2D: graph.Conv2D{Stride: stride, Top: 1, Bottom: 1, Left: 1, Right: 1}})
	}
	silu := func(x graph.Value) graph.Value { return b.G.Unary(graph.SiLU, x) }
	h := silu(conv(x, c.Hint[0], 1))
	for i, width := range c.Hint[1:] {
		h = silu(conv(h, c.Hint[i], 1))
		h = silu(conv(h, width, 2))
	}
	return conv(h, c.ModelChannels, 1)
}

// Build adds the network on what the U-Net sees, but for Concat, and the embedding of
// the picture. It returns what is added to the U-Net's outputs, in the order of
// Config.Residuals.
func (c Control) Build(b nn.Builder, in Inputs, hint graph.Value) []graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return nil
	}
	n := &network{Config: c.Config, context: in.Context, hint: hint}
	n.timeEmbed(b, in)
	h, skips := n.down(b, in.X)
	h = n.middle(b.In("middle_block"), h)
	var out []graph.Value
	zero := nn.Conv1.Zeroed()
	for i, s := range skips {
		out = append(out, nn.Conv2D(b.In("zero_convs").In(strconv.Itoa(i)).In("0"), s, s.Dim(3), zero))
	}
	return append(out, nn.Conv2D(b.In("middle_block_out").In("0"), h, h.Dim(3), zero))
}

// Residuals are the shapes of what ControlNets add to a U-Net of latents of height h
// and width w: to each output of the way down, and to the middle's.
func (c Config) Residuals(h, w int) []graph.Shape {
	ch := c.ModelChannels
	out := []graph.Shape{{h, w, ch}}
	for level, mult := range c.ChannelMult {
		ch = mult * c.ModelChannels
		for range c.NumResBlocks {
			out = append(out, graph.Shape{h, w, ch})
		}
		if level < len(c.ChannelMult)-1 {
			h, w = h/2, w/2
			out = append(out, graph.Shape{h, w, ch})
		}
	}
	return append(out, graph.Shape{h, w, ch})
}
