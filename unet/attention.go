package unet

import (
	"math"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// attention is the kind of attention that the configuration asks for, at the level with ds
// pixels of the latent for each of x.
func (n *network) attention(b nn.Builder, x graph.Value, numHeads, ds int) graph.Value {
	heads, dim, err := n.heads(x.Dim(3), n.levelHeads(ds, numHeads))
	if err != nil {
		b.G.Fail("%w", err)
		return x
	}
	if n.UseSpatialTransformer {
		t := Transformer{Heads: heads, Dim: dim, Depth: max(n.TransformerDepth, 1), Linear: n.LinearInTransformer}
		return spatialTransformer(b, x, n.context, t, n.merges(ds))
	}
	return attentionBlock(b, x, heads, n.UseNewAttentionOrder, n.merges(ds))
}

// attentionBlock is self-attention over pixels: x + proj(attention(qkv(norm(x)))).
// In the reference's first order the channels of qkv are [q, k, v] of the first
// head, then of the second, and so on; in the new order all q, all k, all v.
func attentionBlock(b nn.Builder, x graph.Value, heads int, newOrder bool, merging *merging) graph.Value {
	g := b.G
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	merge, part := merging.of(g, x, h, w)
	tokens := merge(g.Reshape(nn.GroupNorm(b.In("norm"), x, eps, false), n, h*w, c))
	qkv := nn.Linear1(b.In("qkv"), tokens, 3*c, 1, false)
	var parts []graph.Value
	if newOrder {
		parts = g.Split(qkv, 2, 3)
	} else {
		parts = g.Split(g.Reshape(qkv, n, qkv.Dim(1), heads, 3, c/heads), 3, 3)
		for i := range parts {
			parts[i] = g.Reshape(parts[i], n, qkv.Dim(1), c)
		}
	}
	y := g.Attention(parts[0], parts[1], parts[2], graph.Attention{Heads: heads, Scale: invSqrt(c / heads)})
	y = part(nn.Linear1(b.In("proj_out"), y, c, 1, true))
	return g.Add(x, g.Reshape(y, n, h, w, c))
}

// Transformer says how a spatial transformer is built.
type Transformer struct {
	Heads, Dim int // of attention, and the channels of each
	Depth      int // blocks
	// Linear stores the maps around the blocks as matrices, not as convolutions of one
	// pixel: the same numbers in another shape, as in Stable Diffusion v2.
	Linear bool
}

// SpatialTransformer runs transformer blocks over the pixels of x [N, H, W, C], with
// cross-attention to context [N, S, D] (none: to itself).
func SpatialTransformer(b nn.Builder, x, context graph.Value, t Transformer) graph.Value {
	return spatialTransformer(b, x, context, t, &merging{})
}

// spatialTransformer is SpatialTransformer with tokens merged.
func spatialTransformer(b nn.Builder, x, context graph.Value, t Transformer, merging *merging) graph.Value {
	g := b.G
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	y := nn.GroupNorm(b.In("norm"), x, 1e-6, false)
	y = g.Reshape(y, n, h*w, c)
	axes := 2
	if t.Linear {
		axes = 0
	}
	y = nn.Linear1(b.In("proj_in"), y, t.Heads*t.Dim, axes, false)
	block := numbered(b.In("transformer_blocks"))
	for range t.Depth {
		merge, part := merging.of(g, y, h, w)
		y = transformerBlock(block(), y, context, t.Heads, t.Dim, merge, part)
	}
	y = nn.Linear1(b.In("proj_out"), y, c, axes, true)
	return g.Add(x, g.Reshape(y, n, h, w, c))
}

// transformerBlock: self-attention, cross-attention, feed-forward, each behind
// a layer norm and with a residual. Self-attention is over merged tokens, which are taken
// apart behind it.
func transformerBlock(b nn.Builder, x, context graph.Value, heads, dim int, merge, part func(graph.Value) graph.Value) graph.Value {
	g := b.G
	width := x.Dim(2)
	attend := func(b nn.Builder, x, context graph.Value) graph.Value {
		return nn.Linear(b.In("to_out").In("0"), nn.Attend(b, x, context, heads, dim), width)
	}
	h := merge(nn.LayerNorm(b.In("norm1"), x))
	x = g.Add(part(attend(b.In("attn1"), h, h)), x)
	h = nn.LayerNorm(b.In("norm2"), x)
	if !context.Valid() {
		context = h
	}
	x = g.Add(attend(b.In("attn2"), h, context), x)
	h = nn.LayerNorm(b.In("norm3"), x)
	h = g.GEGLU(nn.Linear(b.In("ff").In("net").In("0").In("proj"), h, 8*width))
	return g.Add(nn.Linear(b.In("ff").In("net").In("2"), h, width), x)
}

func invSqrt(n int) float32 { return float32(1 / math.Sqrt(float64(max(n, 1)))) }
