// Package conditioner builds the networks τ of section 3.3 that turn a label
// or a text into the context of the cross-attention, with the reference's
// parameter names.
package conditioner

import (
	"fmt"
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// ClassEmbedder turns labels int32 [N] into a context [N, 1, EmbedDim].
type ClassEmbedder struct {
	EmbedDim int    `yaml:"embed_dim"`
	NClasses int    `yaml:"n_classes"` // default 1000
	Key      string `yaml:"key"`
}

// Build adds the embedder.
func (c ClassEmbedder) Build(b nn.Builder, labels graph.Value) graph.Value {
	classes := c.NClasses
	if classes == 0 {
		classes = 1000
	}
	if c.EmbedDim < 1 || classes < 1 {
		b.G.Fail("class embedder: embed_dim %d, n_classes %d: want at least 1", c.EmbedDim, classes)
		return labels
	}
	e := nn.Embedding(b.In("embedding"), labels, classes, c.EmbedDim)
	return b.G.Reshape(e, labels.Dim(0), 1, c.EmbedDim)
}

// Transformer is the text transformer of the paper (BERTEmbedder in the
// reference, which shares only its vocabulary with BERT): token and position
// embeddings, then layers of unmasked self-attention and feed-forward.
type Transformer struct {
	NEmbed    int `yaml:"n_embed"`
	NLayer    int `yaml:"n_layer"`
	VocabSize int `yaml:"vocab_size"`
	MaxSeqLen int `yaml:"max_seq_len"` // default 77
	Heads     int `yaml:"heads"`       // default 8
	HeadDim   int `yaml:"dim_head"`    // default 64, whatever the width

	UseTokenizer     *bool   `yaml:"use_tokenizer"`
	Device           string  `yaml:"device"` // of no consequence
	EmbeddingDropout float64 `yaml:"embedding_dropout"`
}

// Validate says what is wrong with a configuration.
func (c Transformer) Validate() error {
	if c.NEmbed < 1 || c.NLayer < 1 || c.VocabSize < 1 || c.MaxSeqLen < 1 || c.Heads < 1 || c.HeadDim < 1 {
		return fmt.Errorf("text transformer: n_embed %d, n_layer %d, vocab_size %d, max_seq_len %d, heads %d, dim_head %d: want at least 1 each",
			c.NEmbed, c.NLayer, c.VocabSize, c.MaxSeqLen, c.Heads, c.HeadDim)
	}
	if c.EmbeddingDropout != 0 {
		return fmt.Errorf("text transformer: embedding_dropout %g: only 0 is supported", c.EmbeddingDropout)
	}
	return nil
}

// WithDefaults fills what a YAML left out.
func (c Transformer) WithDefaults() Transformer {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.VocabSize, 30522}, {&c.MaxSeqLen, 77}, {&c.Heads, 8}, {&c.HeadDim, 64}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// Build turns tokens int32 [N, L], L at most MaxSeqLen, into a context [N, L, NEmbed].
func (c Transformer) Build(b nn.Builder, tokens graph.Value) graph.Value {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return tokens
	}
	l := tokens.Dim(1)
	if l > c.MaxSeqLen {
		b.G.Fail("%d tokens: want at most %d", l, c.MaxSeqLen)
		return tokens
	}
	g := b.G
	b = b.In("transformer")
	x := nn.Embedding(b.In("token_emb"), tokens, c.VocabSize, c.NEmbed)
	positions := b.In("pos_emb").In("emb").Param("weight", nn.Normal, c.MaxSeqLen, c.NEmbed)
	x = g.Add(x, g.Reshape(g.Slice(positions, 0, 0, l), 1, l, c.NEmbed))
	layers := b.In("attn_layers").In("layers")
	for i := range c.NLayer {
		x = c.attention(layers.In(strconv.Itoa(2*i)), x)
		x = c.feedForward(layers.In(strconv.Itoa(2*i+1)), x)
	}
	b.In("to_logits").Declare("weight", nn.Uniform(c.NEmbed), c.VocabSize, c.NEmbed)
	b.In("to_logits").Declare("bias", nn.Uniform(c.NEmbed), c.VocabSize)
	return nn.LayerNorm(b.In("norm"), x)
}

func (c Transformer) attention(b nn.Builder, x graph.Value) graph.Value {
	h := nn.LayerNorm(b.In("0"), x)
	h = nn.Attend(b.In("1"), h, h, c.Heads, c.HeadDim)
	return b.G.Add(nn.Linear(b.In("1").In("to_out"), h, c.NEmbed), x)
}

func (c Transformer) feedForward(b nn.Builder, x graph.Value) graph.Value {
	h := nn.LayerNorm(b.In("0"), x)
	net := b.In("1").In("net")
	h = b.G.Unary(graph.GELU, nn.Linear(net.In("0").In("0"), h, 4*c.NEmbed))
	return b.G.Add(nn.Linear(net.In("2"), h, c.NEmbed), x)
}
