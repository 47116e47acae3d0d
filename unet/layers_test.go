package unet_test

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// build adds a U-Net for one latent of side x side.
func build(g *graph.Graph, c unet.Config, side int) (nn.Builder, graph.Value) {
	b := nn.NewBuilder(g)
	in := unet.Inputs{X: g.Input("x", 1, side, side, c.InChannels), T: g.Input("t", 1)}
	if c.UseSpatialTransformer {
		in.Context = g.Input("context", 1, 3, c.ContextDim)
	}
	return b, c.Build(b, in)
}

// attentionUNet has attention blocks at both levels.
func attentionUNet() unet.Config {
	c := unet.Default()
	c.InChannels, c.OutChannels, c.ModelChannels, c.NumResBlocks = 2, 2, 32, 1
	c.ChannelMult, c.AttentionResolutions, c.NumHeads = []int{1, 2}, []int{1, 2}, 4
	return c
}

// transformerUNet has spatial transformers at both levels.
func transformerUNet() unet.Config {
	c := attentionUNet()
	c.UseSpatialTransformer, c.ContextDim = true, 8
	return c
}

// TestEpsilons: the norms of the reference's U-Nets add 1e-5, but for those at the
// entrance of a spatial transformer, which add 1e-6.
func TestEpsilons(t *testing.T) {
	g := graph.New()
	build(g, attentionUNet(), 4)
	nettest.CheckEpsilons(t, g, func(string) float32 { return 1e-5 })
	g = graph.New()
	build(g, transformerUNet(), 4)
	nettest.CheckEpsilons(t, g, func(name string) float32 {
		if strings.HasSuffix(name, ".1.norm") {
			return 1e-6
		}
		return 1e-5
	})
}

// TestDownsampling: unlike a first stage's, the U-Net's strided convolutions are padded
// by zeros all around, so that pixel (2, 2) is seen from (1, 1) alone.
func TestDownsampling(t *testing.T) {
	g := graph.New()
	c := attentionUNet()
	c.AttentionResolutions = nil
	b, _ := build(g, c, 8)
	nettest.CheckLit(t, g, b, "input_blocks.0.0", "input_blocks.2.0.op", 2, []int{5})
	nettest.CheckLit(t, g, b, "input_blocks.0.0", "input_blocks.2.0.op", 1, []int{0, 1, 4, 5})
}

// TestTimesteps: the sinusoids of a timestep are all cosines, then all sines.
func TestTimesteps(t *testing.T) {
	g := graph.New()
	y := g.TimestepEmbedding(g.Input("t", 2), 8)
	steps := tensor.New(2)
	steps.F32[0], steps.F32[1] = 1, 999
	nettest.Near(t, "sinusoids of 1 and 999", nettest.Compute(t, g, nil, map[string]*tensor.Tensor{"t": steps}, y)[0].F32, []float32{
		.540302, .995004, .999950, 1, .841471, .099833, .010000, .001000,
		.999650, .807455, -.844470, .541144, -.026461, -.589929, -.535603, .840930,
	})
}

// TestZerosAtFirst: besides the biases of norms, those parameters are zero that are
// the last of a residual branch of the U-Net or of the U-Net itself.
func TestZerosAtFirst(t *testing.T) {
	last := []string{".out_layers.3.", "out.2.", ".1.proj_out."}
	for _, c := range []unet.Config{attentionUNet(), transformerUNet()} {
		g := graph.New()
		b, _ := build(g, c, 4)
		nettest.CheckZeros(t, b, last)
	}
}

// TestLastConvolution: it takes model_channels where the first level has as many; the
// reference fails elsewhere, where it takes the first level's here.
func TestLastConvolution(t *testing.T) {
	for first, want := range map[int]int{1: 32, 2: 64} {
		c := attentionUNet()
		c.ChannelMult = []int{first, 2}
		g := graph.New()
		b, y := build(g, c, 4)
		vars := nettest.Weights(b)
		if s := vars["out.2.weight"].Shape; !s.Equal(tensor.Shape{2, want, 3, 3}) {
			t.Errorf("channel_mult %v: last convolution of %v", c.ChannelMult, s)
		}
		nettest.Compute(t, g, vars, map[string]*tensor.Tensor{"x": nettest.Random(1, 1, 4, 4, 2)}, y)
	}
}

// TestLatentSizes: every level but the last halves the latent.
func TestLatentSizes(t *testing.T) {
	g := graph.New()
	transformerUNet().Build(nn.NewBuilder(g), unet.Inputs{X: g.Input("x", 1, 3, 4, 2), T: g.Input("t", 1), Context: g.Input("context", 1, 1, 8)})
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "latents of 4x3: width and height must be multiples of 2") {
		t.Errorf("latents of 4x3: error %v", err)
	}
}
