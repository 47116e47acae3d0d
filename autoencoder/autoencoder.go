package autoencoder

import (
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

const eps = 1e-6 // of all group norms of first stages

// Encode is quant_conv(encoder(x)): pictures [N, H, W, C] to the posterior's
// mean and log-variance [N, H/f, W/f, 2·EmbedDim] (KL) or to vectors [N, H/f,
// W/f, EmbedDim] that are not quantised yet (VQ), or are the latent (tiny). H and W
// must be multiples of f.
func (c Config) Encode(b nn.Builder, x graph.Value) graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return x
	}
	if c.Kind == Identity {
		return x
	}
	if f := c.Factor(); x.Dim(1)%f != 0 || x.Dim(2)%f != 0 {
		b.G.Fail("pictures of %dx%d: width and height must be multiples of %d", x.Dim(2), x.Dim(1), f)
	}
	if c.Kind == Tiny {
		return c.Tiny.encode(b.In("encoder"), x)
	}
	h := c.DD.encoder(b.In("encoder"), x)
	out := c.EmbedDim
	if c.Kind == KL {
		out *= 2
	}
	return nn.Conv2D(b.In("quant_conv"), h, out, nn.Conv1)
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
	if c.Kind == Identity {
		return z
	}
	if c.Kind == Tiny {
		return c.Tiny.decode(b.In("decoder"), z)
	}
	h := nn.Conv2D(b.In("post_quant_conv"), z, c.DD.ZChannels, nn.Conv1)
	return c.DD.decoder(b.In("decoder"), h)
}

func at(b nn.Builder, part string, i int) nn.Builder { return b.In(part).In(strconv.Itoa(i)) }

func (d DDConfig) attends(resolution int) bool {
	for _, r := range d.AttnResolutions {
		if r == resolution {
			return true
		}
	}
	return false
}

// encoder: conv_in, levels of residual blocks with downsampling between them,
// mid, norm_out, conv_out.
func (d DDConfig) encoder(b nn.Builder, x graph.Value) graph.Value {
	h := nn.Conv2D(b.In("conv_in"), x, d.Ch, nn.Conv3)
	resolution := d.Resolution
	for level, mult := range d.ChMult {
		lb := at(b, "down", level)
		for i := range d.NumResBlocks {
			h = resnetBlock(at(lb, "block", i), h, d.Ch*mult)
			if d.attends(resolution) {
				h = d.attnBlock(at(lb, "attn", i), h)
			}
		}
		if level < len(d.ChMult)-1 {
			h = downsample(lb.In("downsample"), h)
			resolution /= 2
		}
	}
	h = d.mid(b.In("mid"), h)
	h = nn.GroupNorm(b.In("norm_out"), h, eps, true)
	out := d.ZChannels
	if d.DoubleZ {
		out *= 2
	}
	return nn.Conv2D(b.In("conv_out"), h, out, nn.Conv3)
}

// decoder: conv_in, mid, levels from the coarsest to the finest, norm_out, conv_out.
func (d DDConfig) decoder(b nn.Builder, z graph.Value) graph.Value {
	levels := len(d.ChMult)
	resolution := d.Resolution >> (levels - 1)
	h := nn.Conv2D(b.In("conv_in"), z, d.Ch*d.ChMult[levels-1], nn.Conv3)
	h = d.mid(b.In("mid"), h)
	for level := levels - 1; level >= 0; level-- {
		lb := at(b, "up", level)
		for i := range d.NumResBlocks + 1 {
			h = resnetBlock(at(lb, "block", i), h, d.Ch*d.ChMult[level])
			if d.attends(resolution) {
				h = d.attnBlock(at(lb, "attn", i), h)
			}
		}
		if level > 0 {
			h = nn.Conv2D(lb.In("upsample").In("conv"), b.G.Upsample(h, 2), h.Dim(3), nn.Conv3)
			resolution *= 2
		}
	}
	h = nn.GroupNorm(b.In("norm_out"), h, eps, true)
	h = nn.Conv2D(b.In("conv_out"), h, d.OutCh, nn.Conv3)
	if d.TanhOut {
		h = b.G.Unary(graph.Tanh, h)
	}
	return h
}

func (d DDConfig) mid(b nn.Builder, h graph.Value) graph.Value {
	c := h.Dim(3)
	h = resnetBlock(b.In("block_1"), h, c)
	h = d.attnBlock(b.In("attn_1"), h)
	return resnetBlock(b.In("block_2"), h, c)
}

// resnetBlock is x + conv(swish(norm(conv(swish(norm(x)))))), without a time
// embedding. The shortcut comes first, so that x may be overwritten.
func resnetBlock(b nn.Builder, x graph.Value, out int) graph.Value {
	shortcut := x
	if x.Dim(3) != out {
		shortcut = nn.Conv2D(b.In("nin_shortcut"), x, out, nn.Conv1)
	}
	h := nn.GroupNorm(b.In("norm1"), x, eps, true)
	h = nn.Conv2D(b.In("conv1"), h, out, nn.Conv3)
	h = nn.GroupNorm(b.In("norm2"), h, eps, true)
	h = nn.Conv2D(b.In("conv2"), h, out, nn.Conv3)
	return b.G.Add(shortcut, h)
}

// downsample halves the size; the zeros are at the right and bottom alone.
func downsample(b nn.Builder, x graph.Value) graph.Value {
	op := graph.Conv2D{Stride: 2, Bottom: 1, Right: 1}
	return nn.Conv2D(b.In("conv"), x, x.Dim(3), nn.Conv{Kernel: 3, Conv2D: op})
}

// attnBlock is attention over all pixels with one head of all channels.
func (d DDConfig) attnBlock(b nn.Builder, x graph.Value) graph.Value {
	switch d.AttnType {
	case "none":
		return x
	case "linear":
		return linearAttention(b, x)
	}
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	tokens := b.G.Reshape(nn.GroupNorm(b.In("norm"), x, eps, false), n, h*w, c)
	q := nn.Linear1(b.In("q"), tokens, c, 2, false)
	k := nn.Linear1(b.In("k"), tokens, c, 2, false)
	v := nn.Linear1(b.In("v"), tokens, c, 2, false)
	y := b.G.Attention(q, k, v, graph.Attention{Heads: 1, Scale: invSqrt(c)})
	y = nn.Linear1(b.In("proj_out"), y, c, 2, false)
	return b.G.Add(x, b.G.Reshape(y, n, h, w, c))
}
