package autoencoder

import (
	"slices"
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Encode is quant_conv(encoder(x)): pictures [N, H, W, C] to the posterior's
// mean and log-variance [N, H/f, W/f, 2·EmbedDim] (KL) or to vectors [N, H/f,
// W/f, EmbedDim] that are not quantised yet (VQ), or are the latent (tiny). H and W
// must be multiples of f.
func (c Config) Encode(b nn.Builder, x graph.Value) graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return x
	}
	if f := c.Factor(); c.Kind != Identity && (x.Dim(1)%f != 0 || x.Dim(2)%f != 0) {
		b.G.Fail("pictures of %dx%d: width and height must be multiples of %d", x.Dim(2), x.Dim(1), f)
	}
	if !c.HasEncoder() {
		b.G.Fail("this first stage has a decoder alone")
		return x
	}
	return run(b, c.EncodeSteps(), x)
}

// Decode turns latents [N, h, w, EmbedDim] into pictures [N, f·h, f·w, OutCh]. A
// VQ quantises the latents first.
func (c Config) Decode(b nn.Builder, z graph.Value) graph.Value {
	if c.Kind == VQ && c.Validate() == nil {
		z, _ = c.Quantize(b, z)
	}
	return c.DecodeContinuous(b, z)
}

// DecodeContinuous is decoder(post_quant_conv(z)), without quantisation.
func (c Config) DecodeContinuous(b nn.Builder, z graph.Value) graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return z
	}
	if !c.HasDecoder() {
		b.G.Fail("this first stage has an encoder alone")
		return z
	}
	return run(b, c.DecodeSteps(), z)
}

// EncodeSteps are the parts of Encode, of a configuration that is valid.
func (c Config) EncodeSteps() []Step {
	switch c.Kind {
	case Identity:
		return nil
	case Tiny:
		return c.Tiny.encoder()
	}
	steps := c.DD.encoder()
	out := c.EmbedDim
	if c.Kind == KL {
		out *= 2
	}
	steps.conv("quant_conv", out, nn.Conv1)
	return steps
}

// DecodeSteps are the parts of DecodeContinuous, of a configuration that is valid.
func (c Config) DecodeSteps() []Step {
	switch c.Kind {
	case Identity:
		return nil
	case Tiny:
		return c.Tiny.decoder()
	}
	var steps chain
	steps.conv("post_quant_conv", c.DD.ZChannels, nn.Conv1)
	return append(steps, c.DD.decoder()...)
}

// numbered is the name of part i.
func numbered(name string, i int) string { return name + "." + strconv.Itoa(i) }

func (d DDConfig) attends(resolution int) bool { return slices.Contains(d.AttnResolutions, resolution) }

// encoder: conv_in, levels of residual blocks with downsampling between them,
// mid, norm_out, conv_out.
func (d DDConfig) encoder() (c chain) {
	c.conv("encoder.conv_in", d.Ch, nn.Conv3)
	resolution := d.Resolution
	for level, mult := range d.ChMult {
		at := numbered("encoder.down", level)
		for i := range d.NumResBlocks {
			c.block(numbered(at+".block", i), d.Ch*mult)
			if d.attends(resolution) {
				c.attention(numbered(at+".attn", i), d)
			}
		}
		if level < len(d.ChMult)-1 {
			c.add(at+".downsample", Step{Down: 2, Reach: 1, Build: downsample})
			resolution /= 2
		}
	}
	d.mid(&c, "encoder.mid", d.Ch*d.ChMult[len(d.ChMult)-1])
	out := d.ZChannels
	if d.DoubleZ {
		out *= 2
	}
	d.head(&c, "encoder", out, false)
	return c
}

// decoder: conv_in, mid, levels from the coarsest to the finest, norm_out, conv_out.
func (d DDConfig) decoder() (c chain) {
	levels := len(d.ChMult)
	resolution := d.Resolution >> (levels - 1)
	width := d.Ch * d.ChMult[levels-1]
	c.conv("decoder.conv_in", width, nn.Conv3)
	d.mid(&c, "decoder.mid", width)
	for level := levels - 1; level >= 0; level-- {
		at := numbered("decoder.up", level)
		for i := range d.NumResBlocks + 1 {
			c.block(numbered(at+".block", i), d.Ch*d.ChMult[level])
			if d.attends(resolution) {
				c.attention(numbered(at+".attn", i), d)
			}
		}
		if level > 0 {
			c.add(at+".upsample", Step{Up: 2, Reach: 1, Build: upsample})
			resolution *= 2
		}
	}
	d.head(&c, "decoder", d.OutCh, d.TanhOut)
	return c
}

func (d DDConfig) mid(c *chain, at string, width int) {
	c.block(at+".block_1", width)
	c.attention(at+".attn_1", d)
	c.block(at+".block_2", width)
}

// head is the last norm and the convolution behind it.
func (d DDConfig) head(c *chain, at string, width int, tanh bool) {
	c.add(at, Step{Reach: 1, Build: func(b nn.Builder, norm Norm, h graph.Value) graph.Value {
		h = norm(b.In("norm_out"), h, true)
		h = nn.Conv2D(b.In("conv_out"), h, width, nn.Conv3)
		if tanh {
			h = b.G.Unary(graph.Tanh, h)
		}
		return h
	}})
}

// resnetBlock is x + conv(swish(norm(conv(swish(norm(x)))))), without a time
// embedding. The shortcut comes first, so that x may be overwritten.
func resnetBlock(b nn.Builder, norm Norm, x graph.Value, out int) graph.Value {
	shortcut := x
	if x.Dim(3) != out {
		shortcut = nn.Conv2D(b.In("nin_shortcut"), x, out, nn.Conv1)
	}
	h := norm(b.In("norm1"), x, true)
	h = nn.Conv2D(b.In("conv1"), h, out, nn.Conv3)
	h = norm(b.In("norm2"), h, true)
	h = nn.Conv2D(b.In("conv2"), h, out, nn.Conv3)
	return b.G.Add(shortcut, h)
}

// downsample halves the size; the zeros are at the right and bottom alone.
func downsample(b nn.Builder, _ Norm, x graph.Value) graph.Value {
	op := graph.Conv2D{Stride: 2, Bottom: 1, Right: 1}
	return nn.Conv2D(b.In("conv"), x, x.Dim(3), nn.Conv{Kernel: 3, Conv2D: op})
}

// upsample doubles the size.
func upsample(b nn.Builder, _ Norm, x graph.Value) graph.Value {
	return nn.Conv2D(b.In("conv"), b.G.Upsample(x, 2), x.Dim(3), nn.Conv3)
}

// attnBlock is attention over all pixels with one head of all channels.
func (d DDConfig) attnBlock(b nn.Builder, norm Norm, x graph.Value) graph.Value {
	if d.AttnType == AttnLinear {
		return linearAttention(b, x)
	}
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	tokens := b.G.Reshape(norm(b.In("norm"), x, false), n, h*w, c)
	q := nn.Linear1(b.In("q"), tokens, c, 2, false)
	k := nn.Linear1(b.In("k"), tokens, c, 2, false)
	v := nn.Linear1(b.In("v"), tokens, c, 2, false)
	y := b.G.Attention(q, k, v, graph.Attention{Heads: 1, Scale: invSqrt(c)})
	y = nn.Linear1(b.In("proj_out"), y, c, 2, false)
	return b.G.Add(x, b.G.Reshape(y, n, h, w, c))
}
