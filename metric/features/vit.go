package features

import (
	"math"
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// vit is the structure of CLIP's image encoder, a vision transformer: patches as
// tokens with a class token before them, layers of self-attention and
// feed-forward with QuickGELU, and the class token projected.
type vit struct {
	Size, Patch   int // sides in pixels
	Width, Layers int
	Heads         int
	Projection    int
}

// build turns pictures x [N, Size, Size, 3], normalised as CLIP's, into vectors
// [N, Projection]. The names are those of OpenAI's model, under visual.
func (v vit) build(b nn.Builder, x graph.Value) graph.Value {
	b = b.In("visual")
	g, n := b.G, x.Dim(0)
	patches := v.Size / v.Patch
	w := b.In("conv1").Param("weight", nn.Uniform(3*v.Patch*v.Patch), v.Width, 3, v.Patch, v.Patch)
	x = g.Reshape(g.Conv2D(x, w, graph.Value{}, graph.Conv2D{Stride: v.Patch}), n, patches*patches, v.Width)
	class := g.Reshape(b.Param("class_embedding", nn.Normal, v.Width), 1, 1, v.Width)
	tokens := make([]graph.Value, n)
	for i := range tokens {
		tokens[i] = class
	}
	x = g.Concat(1, g.Concat(0, tokens...), x)
	length := patches*patches + 1
	x = g.Add(x, g.Reshape(b.Param("positional_embedding", nn.Normal, length, v.Width), 1, length, v.Width))
	x = nn.LayerNorm(b.In("ln_pre"), x)
	for i := range v.Layers {
		x = v.layer(b.In("transformer").In("resblocks").In(strconv.Itoa(i)), x)
	}
	x = nn.LayerNorm(b.In("ln_post"), g.Reshape(g.Slice(x, 1, 0, 1), n, v.Width))
	return g.MatMul(x, b.Param("proj", nn.Uniform(v.Width), v.Width, v.Projection), false, false)
}

func (v vit) layer(b nn.Builder, x graph.Value) graph.Value {
	g := b.G
	h := nn.LayerNorm(b.In("ln_1"), x)
	a := b.In("attn")
	qkv := g.Split(g.Linear(h, a.Param("in_proj_weight", nn.Uniform(v.Width), 3*v.Width, v.Width), a.Param("in_proj_bias", nn.Zeros, 3*v.Width)), 2, 3)
	scale := float32(1 / math.Sqrt(float64(v.Width/v.Heads)))
	h = g.Attention(qkv[0], qkv[1], qkv[2], graph.Attention{Heads: v.Heads, Scale: scale})
	x = g.Add(x, nn.Linear(a.In("out_proj"), h, v.Width))
	h = nn.Linear(b.In("mlp").In("c_fc"), nn.LayerNorm(b.In("ln_2"), x), 4*v.Width)
	return g.Add(x, nn.Linear(b.In("mlp").In("c_proj"), g.Unary(graph.QuickGELU, h), v.Width))
}
