package conditioner

import (
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// CLIP is the text tower of CLIP (Radford et al., arXiv 2103.00020): token and
// position embeddings, then layers of causal self-attention and feed-forward
// with QuickGELU, or with GELU in OpenCLIP's own models. The reference builds the
// published ViT-L/14 without a configuration (FrozenCLIPEmbedder); the fields are
// those of ViTL14 then.
type CLIP struct {
	Width  int // channels
	Heads  int
	Layers int
	Vocab  int
	MaxLen int // positions
	Skip   int // layers left out at the end, before the final norm ("clip skip" less one)

	Inner    int   // channels inside a feed-forward; 0: 4 times Width
	GELU     bool  // in place of QuickGELU
	Pad      int32 // the token that fills a text up
	OpenCLIP bool  // the names are those of OpenAI's model and of OpenCLIP, as in Stable Diffusion v2
}

// ViTL14 is the text tower of openai/clip-vit-large-patch14.
var ViTL14 = CLIP{Width: 768, Heads: 12, Layers: 12, Vocab: 49408, MaxLen: 77, Pad: 49407}

// Build turns tokens int32 [N, L] into the last hidden state after the final
// norm, [N, L, Width], with the names of Hugging Face's CLIPTextModel, as in
// Stable Diffusion's checkpoints, or with those of OpenCLIP, as in those of its
// version 2.
func (c CLIP) Build(b nn.Builder, tokens graph.Value) graph.Value {
	if !c.check(b, tokens) {
		return tokens
	}
	module, _ := strings.CutSuffix(c.TokenTable(), ".weight")
	return c.BuildEmbedded(b, nn.Embedding(b.In(module), tokens, c.Vocab, c.Width))
}

// TokenTable is the name, within the builder's, of the table of the tokens' vectors
// [Vocab, Width].
func (c CLIP) TokenTable() string {
	if c.OpenCLIP {
		return openCLIPRoot + ".token_embedding.weight"
	}
	return "transformer.text_model.embeddings.token_embedding.weight"
}

// BuildEmbedded is Build for texts whose tokens' vectors x [N, L, Width] have been
// looked up, among them perhaps learnt ones.
func (c CLIP) BuildEmbedded(b nn.Builder, x graph.Value) graph.Value {
	if !c.check(b, x) {
		return x
	}
	if c.OpenCLIP {
		return c.buildOpen(b.In(openCLIPRoot), x)
	}
	b = b.In("transformer").In("text_model")
	e := b.In("embeddings")
	x = c.addPositions(b, x, e.In("position_embedding").Param("weight", nn.Normal, c.MaxLen, c.Width))
	x = c.layers(x, func(i int, x graph.Value) graph.Value {
		l := c.counted(i, b.In("encoder").In("layers").In(strconv.Itoa(i)))
		h := nn.LayerNorm(l.In("layer_norm1"), x)
		a := l.In("self_attn")
		q, k, v := nn.Linear(a.In("q_proj"), h, c.Width), nn.Linear(a.In("k_proj"), h, c.Width), nn.Linear(a.In("v_proj"), h, c.Width)
		x = b.G.Add(x, nn.Linear(a.In("out_proj"), c.attend(b, q, k, v), c.Width))
		h = nn.LayerNorm(l.In("layer_norm2"), x)
		return b.G.Add(x, c.feedForward(l.In("mlp").In("fc1"), l.In("mlp").In("fc2"), h))
	})
	return nn.LayerNorm(b.In("final_layer_norm"), x)
}

// layers is the output of the last layer that counts; those left out are built, so
// that their parameters are declared, as files hold them.
func (c CLIP) layers(x graph.Value, layer func(i int, x graph.Value) graph.Value) graph.Value {
	last := x
	for i := range c.Layers {
		x = layer(i, x)
		if i < c.Layers-c.Skip {
			last = x
		}
	}
	return last
}

// counted is the builder of a layer: without an adapter for those left out, of whose output
// nothing becomes.
func (c CLIP) counted(i int, b nn.Builder) nn.Builder {
	if i >= c.Layers-c.Skip {
		return b.Adapted(nil)
	}
	return b
}

// BuildPooled turns tokens int32 [N, L] into one vector a text, [N, projection]:
// the final norm's output at the position int32 [N] of the end of the text,
// projected. The names are those of OpenAI's own model (the reference's
// FrozenCLIPTextEmbedder, which then divides by the 2-norm: see Normalize).
func (c CLIP) BuildPooled(b nn.Builder, tokens, end graph.Value, projection int) graph.Value {
	if !c.check(b, tokens) {
		return tokens
	}
	x := c.openHidden(b, nn.Embedding(b.In("token_embedding"), tokens, c.Vocab, c.Width))
	g := b.G
	rows := g.Reshape(x, x.Dim(0)*x.Dim(1), c.Width)
	return g.MatMul(g.Embedding(rows, end), b.Param("text_projection", nn.Uniform(c.Width), c.Width, projection), false, false)
}

// Ends gives the index of each text's end among all tokens [N·L], for
// BuildPooled: the first place of the largest token, as OpenAI's model has it.
func Ends(tokens []int32, length int) []int32 {
	var ends []int32
	for at := 0; at+length <= len(tokens); at += length {
		best := at
		for i := at; i < at+length; i++ {
			if tokens[i] > tokens[best] {
				best = i
			}
		}
		ends = append(ends, int32(best))
	}
	return ends
}

// Normalize divides vectors [N, D] by their 2-norm.
func Normalize(g *graph.Graph, x graph.Value) graph.Value {
	return g.Div(x, g.Unary(graph.Sqrt, g.Reduce(graph.ReduceSum, g.Unary(graph.Square, x), 1)))
}

// validate says what is wrong with the sizes.
func (c CLIP) validate() error {
	if c.Width < 1 || c.Heads < 1 || c.Width%c.Heads != 0 || c.Layers < 1 || c.Vocab < 1 || c.MaxLen < 1 || c.Skip < 0 || c.Skip > c.Layers || c.Inner < 0 {
		return fault.Inputf("clip: %d channels, %d heads, %d layers of which %d are left out, %d tokens, %d positions: no text tower", c.Width, c.Heads, c.Layers, c.Skip, c.Vocab, c.MaxLen)
	}
	return nil
}

func (c CLIP) check(b nn.Builder, tokens graph.Value) bool {
	err := c.validate()
	switch {
	case err != nil:
		b.G.Fail("%w", err)
	case tokens.Dim(1) > c.MaxLen:
		b.G.Fail("clip: %d tokens: want at most %d", tokens.Dim(1), c.MaxLen)
	default:
		return true
	}
	return false
}

func (c CLIP) addPositions(b nn.Builder, x, table graph.Value) graph.Value {
	l := x.Dim(1)
	return b.G.Add(x, b.G.Reshape(b.G.Slice(table, 0, 0, l), 1, l, c.Width))
}

func (c CLIP) attend(b nn.Builder, q, k, v graph.Value) graph.Value {
	return b.G.Attention(q, k, v, graph.Attention{Heads: c.Heads, Scale: nn.InvSqrt(c.Width / c.Heads), Causal: true})
}

func (c CLIP) feedForward(up, down nn.Builder, h graph.Value) graph.Value {
	gelu, inner := graph.QuickGELU, c.Inner
	if c.GELU {
		gelu = graph.GELU
	}
	if inner == 0 {
		inner = 4 * c.Width
	}
	return nn.Linear(down, up.G.Unary(gelu, nn.Linear(up, h, inner)), c.Width)
}
