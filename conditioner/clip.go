package conditioner

import (
	"strconv"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// CLIP is the text tower of CLIP (Radford et al., arXiv 2103.00020): token and
// position embeddings, then layers of causal self-attention and feed-forward
// with QuickGELU. The reference builds the published ViT-L/14 without a
// configuration (FrozenCLIPEmbedder); the fields are those of ViTL14 then.
type CLIP struct {
	Width  int // channels
	Heads  int
	Layers int
	Vocab  int
	MaxLen int // positions
	Skip   int // layers left out at the end, before the final norm ("clip skip" less one)
}

// ViTL14 is the text tower of openai/clip-vit-large-patch14.
var ViTL14 = CLIP{Width: 768, Heads: 12, Layers: 12, Vocab: 49408, MaxLen: 77}

// The values of FrozenCLIP's argument layer.
const (
	layerLast   = "last"
	layerHidden = "hidden"
)

// FrozenCLIP holds the arguments of FrozenCLIPEmbedder in the reference and its
// successors.
type FrozenCLIP struct {
	Version   string `yaml:"version"`    // openai/clip-vit-large-patch14, the default
	Device    string `yaml:"device"`     // of no consequence
	MaxLength int    `yaml:"max_length"` // 77
	Freeze    *bool  `yaml:"freeze"`     // of no consequence: see cond_stage_trainable
	Layer     string `yaml:"layer"`      // last, the default, or hidden
	LayerIdx  *int   `yaml:"layer_idx"`  // of hidden, which of the 13 hidden states: -2 is that before the last layer
}

// Tower is the text tower that the arguments name. The final norm follows
// whichever layer is the last, as in the programs whose configurations have
// layer_idx.
func (f FrozenCLIP) Tower() (CLIP, error) {
	if f.Version != "" && f.Version != "openai/clip-vit-large-patch14" {
		return CLIP{}, fault.Unsupportedf("clip version %q: want openai/clip-vit-large-patch14", f.Version)
	}
	if f.MaxLength != 0 && f.MaxLength != ViTL14.MaxLen {
		return CLIP{}, fault.Unsupportedf("clip max_length %d: want %d", f.MaxLength, ViTL14.MaxLen)
	}
	tower := ViTL14
	switch {
	case f.Layer == "" || f.Layer == layerLast:
		if f.LayerIdx != nil && *f.LayerIdx != -1 && *f.LayerIdx != tower.Layers {
			return CLIP{}, fault.Inputf("clip layer_idx %d: it wants layer: %s", *f.LayerIdx, layerHidden)
		}
		return tower, nil
	case f.Layer != layerHidden:
		return CLIP{}, fault.Unsupportedf("clip layer %q: want %s or %s", f.Layer, layerLast, layerHidden)
	case f.LayerIdx == nil:
		return CLIP{}, fault.Inputf("clip layer %s: it wants layer_idx", layerHidden)
	}
	at := *f.LayerIdx
	if at < 0 {
		at += tower.Layers + 1
	}
	if at < 1 || at > tower.Layers {
		return CLIP{}, fault.Inputf("clip layer_idx %d: want -1 to %d, or 1 to %d", *f.LayerIdx, -tower.Layers, tower.Layers)
	}
	tower.Skip = tower.Layers - at
	return tower, nil
}

// Build turns tokens int32 [N, L] into the last hidden state after the final
// norm, [N, L, Width], with the names of Hugging Face's CLIPTextModel, as in
// Stable Diffusion's checkpoints.
func (c CLIP) Build(b nn.Builder, tokens graph.Value) graph.Value {
	if !c.check(b, tokens) {
		return tokens
	}
	e := b.In("transformer").In("text_model").In("embeddings")
	return c.BuildEmbedded(b, nn.Embedding(e.In("token_embedding"), tokens, c.Vocab, c.Width))
}

// TokenTable is the name, within the builder's, of the table of the tokens' vectors
// [Vocab, Width].
const TokenTable = "transformer.text_model.embeddings.token_embedding.weight"

// BuildEmbedded is Build for texts whose tokens' vectors x [N, L, Width] have been
// looked up, among them perhaps learnt ones.
func (c CLIP) BuildEmbedded(b nn.Builder, x graph.Value) graph.Value {
	if !c.check(b, x) {
		return x
	}
	b = b.In("transformer").In("text_model")
	e := b.In("embeddings")
	x = c.addPositions(b, x, e.In("position_embedding").Param("weight", nn.Normal, c.MaxLen, c.Width))
	last := x // of the layers that count; the others are declared, as files hold them
	for i := range c.Layers {
		l := b.In("encoder").In("layers").In(strconv.Itoa(i))
		h := nn.LayerNorm(l.In("layer_norm1"), x)
		a := l.In("self_attn")
		q, k, v := nn.Linear(a.In("q_proj"), h, c.Width), nn.Linear(a.In("k_proj"), h, c.Width), nn.Linear(a.In("v_proj"), h, c.Width)
		x = b.G.Add(x, nn.Linear(a.In("out_proj"), c.attend(b, q, k, v), c.Width))
		h = nn.LayerNorm(l.In("layer_norm2"), x)
		x = b.G.Add(x, c.feedForward(l.In("mlp").In("fc1"), l.In("mlp").In("fc2"), h))
		if i < c.Layers-c.Skip {
			last = x
		}
	}
	return nn.LayerNorm(b.In("final_layer_norm"), last)
}

// BuildPooled turns tokens int32 [N, L] into one vector a text, [N, projection]:
// the final norm's output at the position int32 [N] of the end of the text,
// projected. The names are those of OpenAI's own model (the reference's
// FrozenCLIPTextEmbedder, which then divides by the 2-norm: see Normalize).
func (c CLIP) BuildPooled(b nn.Builder, tokens, end graph.Value, projection int) graph.Value {
	if !c.check(b, tokens) {
		return tokens
	}
	g := b.G
	x := nn.Embedding(b.In("token_embedding"), tokens, c.Vocab, c.Width)
	x = c.addPositions(b, x, b.Param("positional_embedding", nn.Normal, c.MaxLen, c.Width))
	for i := range c.Layers {
		l := b.In("transformer").In("resblocks").In(strconv.Itoa(i))
		a := l.In("attn")
		h := nn.LayerNorm(l.In("ln_1"), x)
		qkv := g.Linear(h, a.Param("in_proj_weight", nn.Uniform(c.Width), 3*c.Width, c.Width), a.Param("in_proj_bias", nn.Zeros, 3*c.Width))
		parts := g.Split(qkv, 2, 3)
		x = g.Add(x, nn.Linear(a.In("out_proj"), c.attend(b, parts[0], parts[1], parts[2]), c.Width))
		h = nn.LayerNorm(l.In("ln_2"), x)
		x = g.Add(x, c.feedForward(l.In("mlp").In("c_fc"), l.In("mlp").In("c_proj"), h))
	}
	x = nn.LayerNorm(b.In("ln_final"), x)
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

func (c CLIP) check(b nn.Builder, tokens graph.Value) bool {
	switch {
	case c.Width < 1 || c.Heads < 1 || c.Width%c.Heads != 0 || c.Layers < 1 || c.Vocab < 1 || c.MaxLen < 1 || c.Skip < 0 || c.Skip > c.Layers:
		b.G.Fail("clip: %+v is no text tower", c)
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
	return nn.Linear(down, up.G.Unary(graph.QuickGELU, nn.Linear(up, h, 4*c.Width)), c.Width)
}
