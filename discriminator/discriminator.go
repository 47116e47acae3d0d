// Package discriminator builds the patch-wise discriminator of a first stage's
// adversarial objective (Isola et al., arXiv 1611.07004; section 3.1 and
// supplement G of the paper): a small convolutional network that says for every
// patch of a picture whether it is real. Names are those of the reference's
// checkpoints.
package discriminator

import (
	"strconv"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Prefix begins the names of the parameters in a checkpoint of the reference.
const Prefix = "loss.discriminator"

// Config is the network's size.
type Config struct {
	Channels int  // after the first layer; the reference's 64
	Layers   int  // that halve the picture; the reference's 3 (a patch is 70 pixels wide then)
	ActNorm  bool // instead of batch norms
}

// Validate says what is wrong with a configuration.
func (c Config) Validate() error {
	if c.Channels < 1 || c.Layers < 1 || c.Layers > 8 {
		return fault.Inputf("discriminator: %d channels and %d layers: want at least 1 channel and 1 to 8 layers", c.Channels, c.Layers)
	}
	return nil
}

// MinSize is the smallest side of a picture that yields a logit: 3 pixels are
// left for the two last convolutions, which take one off each.
func (c Config) MinSize() int { return 3 << c.Layers }

// layer is one convolution of kernel 4 with what follows it.
type layer struct {
	index    int // of the convolution in "main"; its norm is the next
	out      int
	stride   int
	norm     bool
	activate bool
}

// layers lists the convolutions: the channels double up to eight times.
func (c Config) layers() []layer {
	list := []layer{{0, c.Channels, 2, false, true}}
	at := 2
	for n := 1; n <= c.Layers; n++ {
		stride := 2
		if n == c.Layers {
			stride = 1
		}
		list = append(list, layer{at, c.Channels * min(1<<n, 8), stride, true, true})
		at += 3
	}
	return append(list, layer{at, 1, 1, false, false})
}

// Build gives the logits [N, h, w, 1] of pictures x [N, H, W, C] in [-1, 1], and
// what its batch norms measured (see nn.Follow), in training mode.
func (c Config) Build(b nn.Builder, x graph.Value) (logits graph.Value, stats []nn.Statistic) {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return x, nil
	}
	for _, l := range c.layers() {
		x = c.convolve(b, x, l)
		switch norm := at(b, l.index+1); {
		case l.norm && c.ActNorm:
			x = nn.ActNorm(norm, x)
		case l.norm:
			var s []nn.Statistic
			x, s = nn.BatchNorm(norm, x, nn.NormalAround(1, .02))
			stats = append(stats, s...)
		}
		if l.activate {
			x = nn.LeakyReLU(b.G, x, .2)
		}
	}
	return x, stats
}

// Start gives, by the names of their parameters, the values that activation
// norms begin with after a first batch x. There are none with batch norms.
func (c Config) Start(b nn.Builder, x graph.Value) map[string]graph.Value {
	values := map[string]graph.Value{}
	for _, l := range c.layers() {
		x = c.convolve(b, x, l)
		if l.norm && c.ActNorm {
			norm := at(b, l.index+1)
			y, loc, scale := nn.ActNormStart(b.G, x)
			values[norm.Prefix()+".loc"], values[norm.Prefix()+".scale"] = loc, scale
			x = y
		}
		if l.activate {
			x = nn.LeakyReLU(b.G, x, .2)
		}
	}
	if !c.ActNorm {
		return nil
	}
	return values
}

func (c Config) convolve(b nn.Builder, x graph.Value, l layer) graph.Value {
	conv := nn.Conv{Kernel: 4, Init: nn.NormalAround(0, .02), NoBias: l.norm && !c.ActNorm,
		Conv2D: graph.Conv2D{Stride: l.stride, Top: 1, Bottom: 1, Left: 1, Right: 1}}
	return nn.Conv2D(at(b, l.index), x, l.out, conv)
}

func at(b nn.Builder, i int) nn.Builder { return b.In("main").In(strconv.Itoa(i)) }
