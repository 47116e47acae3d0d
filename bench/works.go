// Package bench times whole networks with random weights: the works that the
// tables of speed and memory are made of. The program peers/peer.py times the
// same works in PyTorch and OpenVINO and prints the same line, and peers/run.sh
// makes a table of both.
package bench

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// Shape is the size of a work's pictures, and how many are computed at once.
type Shape struct{ Pixels, Batch int }

// or fills what is not given.
func (s Shape) or(otherwise Shape) Shape {
	if s.Pixels == 0 {
		s.Pixels = otherwise.Pixels
	}
	if s.Batch == 0 {
		s.Batch = otherwise.Batch
	}
	return s
}

// Work is something to time: a forward pass, or a step of training.
type Work struct {
	Name, What string
	Shape      Shape // unless asked otherwise
	unit       int   // pixels of a side for each element of the input's side
	train      bool
	build      network
}

// network adds the layers to a graph and returns their output or, of a work
// that trains, the loss. The input is [n, side, side, channels].
type network func(b nn.Builder, side, n int) graph.Value

// Works lists all works.
func Works() []Work {
	return []Work{
		{"sd_unet", "the U-Net of Stable Diffusion v1: 2 latents of 64x64x4, 77 tokens", Shape{512, 2}, 8, false, denoiser(stableDiffusion(), 77)},
		{"cin_unet", "the U-Net of the ImageNet model cin256-v2: 4 latents of 64x64x3, one class token", Shape{256, 4}, 4, false, denoiser(imageNet(), 1)},
		{"dec", "the decoder of kl-f8: a latent of 64x64x4 to a picture of 512x512", Shape{512, 1}, 8, false, decoder(firstStage(128, 4, 1, 2, 4, 4))},
		{"enc", "the encoder of kl-f8: a picture of 512x512", Shape{512, 1}, 1, false, encoder(firstStage(128, 4, 1, 2, 4, 4))},
		{"unet_train", "a step of training a 56 M U-Net: 32 latents of 16x16x4, 32 tokens", Shape{64, 32}, 4, true, denoising(small(), 32)},
		{"ae_train", "a step of training a 14 M first stage: 16 pictures of 64x64", Shape{64, 16}, 1, true, reconstruction(firstStage(64, 3, 1, 2, 4))},
	}
}

// Find returns the work of that name.
func Find(name string) (Work, error) {
	var names []string
	for _, w := range Works() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	for _, t := range Tasks() {
		names = append(names, t.Name)
	}
	return Work{}, fmt.Errorf("no work is called %q: want one of %s", name, strings.Join(names, ", "))
}

// transformer is a U-Net with cross-attention.
func transformer(channels, width, context int, attention []int, mult ...int) unet.Config {
	c := unet.Default()
	c.InChannels, c.OutChannels, c.ModelChannels, c.NumResBlocks = channels, channels, width, 2
	c.ChannelMult, c.AttentionResolutions = mult, attention
	c.UseSpatialTransformer, c.ContextDim, c.Legacy = true, context, new(bool)
	return c
}

func stableDiffusion() unet.Config {
	c := transformer(4, 320, 768, []int{4, 2, 1}, 1, 2, 4, 4)
	c.NumHeads = 8
	return c
}

// imageNet has heads of 32 channels as the peers' does; the published weights
// were trained with a single head (see --legacy-heads of other commands).
func imageNet() unet.Config {
	c := transformer(3, 192, 512, []int{8, 4, 2}, 1, 2, 3, 5)
	c.NumHeadChannels = 32
	return c
}

func small() unet.Config {
	c := transformer(4, 96, 256, []int{4, 2, 1}, 1, 2, 4)
	c.NumHeadChannels = 32
	return c
}

// firstStage is a KL first stage of RGB pictures.
func firstStage(width, latent int, mult ...int) autoencoder.Config {
	return autoencoder.Config{Kind: autoencoder.KL, EmbedDim: latent, DD: autoencoder.DDConfig{
		DoubleZ: true, ZChannels: latent, Resolution: 256, InChannels: 3, OutCh: 3,
		Ch: width, ChMult: mult, NumResBlocks: 2,
	}}
}

func denoiser(c unet.Config, tokens int) network {
	return func(b nn.Builder, side, n int) graph.Value {
		return c.Build(b, unet.Inputs{
			X: b.G.Input("x", n, side, side, c.InChannels), T: b.G.Input(timesteps, n),
			Context: b.G.Input("context", n, tokens, c.ContextDim),
		})
	}
}

// denoising is equation 3's loss of a denoiser.
func denoising(c unet.Config, tokens int) network {
	return func(b nn.Builder, side, n int) graph.Value {
		y := denoiser(c, tokens)(b, side, n)
		return b.G.L2(y, b.G.Input("target", n, side, side, c.OutChannels))
	}
}

func decoder(c autoencoder.Config) network {
	return func(b nn.Builder, side, n int) graph.Value {
		return c.Decode(b, b.G.Input("x", n, side, side, c.EmbedDim))
	}
}

func encoder(c autoencoder.Config) network {
	return func(b nn.Builder, side, n int) graph.Value {
		return c.Encode(b, b.G.Input("x", n, side, side, c.DD.InChannels))
	}
}

// reconstruction is |x - D(z)| + 10⁻⁶·KL, with z drawn from the posterior.
func reconstruction(c autoencoder.Config) network {
	return func(b nn.Builder, side, n int) graph.Value {
		g, latent := b.G, side/c.Factor()
		x := g.Input("x", n, side, side, c.DD.InChannels)
		posterior := autoencoder.NewGaussian(g, c.Encode(b, x))
		y := c.Decode(b, posterior.Sample(g, g.Input(noise, n, latent, latent, c.EmbedDim)))
		kl := g.ReduceAll(graph.ReduceMean, posterior.KL(g))
		return g.Add(g.L1(y, x), g.Affine(kl, 1e-6, 0))
	}
}
