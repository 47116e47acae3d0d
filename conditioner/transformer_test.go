package conditioner_test

import (
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"testing"
)

// TestTransformer computes the text transformer from its definition: 8 heads of 64 whatever the width, a plain GELU, positions
// that are learned, and no mask, so that padding is seen.
func TestTransformer(t *testing.T) {
	c := conditioner.Transformer{NEmbed: 32, NLayer: 1, VocabSize: 7, MaxSeqLen: 6}
	g := graph.New()
	b := nn.NewBuilder(g)
	y := c.Build(b, g.IntInput("tokens", 1, 5))
	vars := nettest.Weights(b)
	if s := vars["transformer.attn_layers.layers.0.1.to_q.weight"].Shape; !s.Equal(tensor.Shape{512, 32}) {
		t.Errorf("queries of shape %v", s)
	}
	tokens := tensor.NewInt(1, 5)
	copy(tokens.I32, []int32{3, 1, 4, 0, 0})
	words, places := nettest.RowsOf(vars["transformer.token_emb.weight"]), nettest.RowsOf(vars["transformer.pos_emb.emb.weight"])
	var x nettest.Rows
	for i, id := range tokens.I32 {
		x = append(x, nettest.Rows{words[id]}.Plus(nettest.Rows{places[i]})...)
	}
	e, layers := nettest.Exact{Vars: vars}, "transformer.attn_layers.layers."
	h := e.LayerNorm(layers+"0.0", x)
	x = x.Plus(e.Linear(layers+"0.1.to_out", e.Attention(layers+"0.1", h, h, 8)))
	h = e.Linear(layers+"1.1.net.0.0", e.LayerNorm(layers+"1.0", x))
	x = x.Plus(e.Linear(layers+"1.1.net.2", h.Each(func(i, c int) float64 { return nettest.GELU(h[i][c]) })))
	nettest.Near(t, "context", nettest.Compute(t, g, vars, map[string]*tensor.Tensor{"tokens": tokens}, y)[0].F32, e.LayerNorm("transformer.norm", x).Flat())
}
