package unet_test

import (
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestAttentionOrder: q, k and v of the published U-Nets lie head by head. The new order is [all q, all k, all v]; the old one's rows are that
// for the first head, then for the second.
func TestAttentionOrder(t *testing.T) {
	c := attentionUNet()
	g := graph.New()
	b, y := build(g, c, 4)
	in := map[string]*tensor.Tensor{"x": nettest.Random(1, 1, 4, 4, 2)}
	vars := nettest.Weights(b)
	old := nettest.Compute(t, g, vars, in, y)[0]
	c.UseNewAttentionOrder = true
	g = graph.New()
	_, y = build(g, c, 4)
	if same := nettest.Compute(t, g, vars, in, y)[0]; golden.RelErr(same.F32, old.F32) < 1e-3 {
		t.Error("both orders give the same")
	}
	for name, w := range vars {
		if strings.Contains(name, ".qkv.") {
			vars[name] = partMajor(w, c.NumHeads)
		}
	}
	nettest.Near(t, "rows in the new order", nettest.Compute(t, g, vars, in, y)[0].F32, old.F32)
}

// partMajor brings rows that are q, k and v of each head into the order of all
// q, all k, all v.
func partMajor(w *tensor.Tensor, heads int) *tensor.Tensor {
	out := tensor.New(w.Shape...)
	width, d := w.Shape[1:].Size(), w.Shape[0]/3/heads
	for part := range 3 {
		for h := range heads {
			copy(out.F32[(part*heads+h)*d*width:], w.F32[(h*3+part)*d*width:(h*3+part+1)*d*width])
		}
	}
	return out
}

// TestGEGLU: the first half is the value, the second goes through the exact GELU.
func TestGEGLU(t *testing.T) {
	g := graph.New()
	x := tensor.Of([]float32{3, -2, .5, -1}, 1, 4)
	y := nettest.Compute(t, g, nil, map[string]*tensor.Tensor{"x": x}, g.GEGLU(g.Input("x", 1, 4)))[0]
	nettest.Near(t, "GEGLU", y.F32, []float32{3 * float32(nettest.GELU(.5)), -2 * float32(nettest.GELU(-1))})
}

// TestSpatialTransformer computes the whole layer from its definition, on numbers
// so small that the epsilon of the norm counts.
func TestSpatialTransformer(t *testing.T) {
	g := graph.New()
	b := nn.NewBuilder(g)
	y := unet.SpatialTransformer(b, g.Input("x", 1, 2, 3, 64), g.Input("context", 1, 5, 8), unet.Transformer{Heads: 2, Dim: 32, Depth: 1})
	in := map[string]*tensor.Tensor{"x": nettest.Random(1, 1, 2, 3, 64), "context": nettest.Random(2, 1, 5, 8)}
	for i := range in["x"].F32 {
		in["x"].F32[i] *= 1e-3
	}
	e := nettest.Exact{Vars: nettest.Weights(b)}
	x, context := nettest.RowsOf(in["x"]), nettest.RowsOf(in["context"])
	block := "transformer_blocks.0."
	h := e.Linear("proj_in", e.Norm("norm", x, 32, 1e-6))
	n := e.LayerNorm(block+"norm1", h)
	h = h.Plus(e.Linear(block+"attn1.to_out.0", e.Attention(block+"attn1", n, n, 2)))
	h = h.Plus(e.Linear(block+"attn2.to_out.0", e.Attention(block+"attn2", e.LayerNorm(block+"norm2", h), context, 2)))
	f := e.Linear(block+"ff.net.0.proj", e.LayerNorm(block+"norm3", h))
	inner := make(nettest.Rows, len(f))
	for i, row := range f {
		for c := range len(row) / 2 {
			inner[i] = append(inner[i], row[c]*nettest.GELU(row[c+len(row)/2]))
		}
	}
	h = h.Plus(e.Linear(block+"ff.net.2", inner))
	nettest.Near(t, "output", nettest.Compute(t, g, e.Vars, in, y)[0].F32, x.Plus(e.Linear("proj_out", h)).Flat())
}

// namesOf are the parameters of a U-Net.
func namesOf(t *testing.T, c unet.Config) []string {
	t.Helper()
	g := graph.New()
	b, _ := build(g, c, 4)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(nettest.Weights(b)))
}

// TestAttentionFactors: attention_resolutions are no sizes but factors: 2 stands for the second level whatever the latent's size,
// and what stands for no level is ignored.
func TestAttentionFactors(t *testing.T) {
	c := attentionUNet()
	c.AttentionResolutions = []int{2}
	names := namesOf(t, c)
	c.AttentionResolutions = []int{64, 2, 32, 3}
	if !slices.Equal(namesOf(t, c), names) {
		t.Error("factors that no level has change the network")
	}
	for name, want := range map[string]bool{
		"input_blocks.1.1.qkv.weight": false, "input_blocks.3.1.qkv.weight": true,
		"output_blocks.0.1.qkv.weight": true, "output_blocks.1.1.qkv.weight": true, "output_blocks.2.1.qkv.weight": false,
	} {
		if slices.Contains(names, name) != want {
			t.Errorf("%s: there is %t, want %t", name, !want, want)
		}
	}
}

// TestMiddleAttention: there is attention in the middle wherever else there is none.
func TestMiddleAttention(t *testing.T) {
	c := attentionUNet()
	c.AttentionResolutions = nil
	if !slices.Contains(namesOf(t, c), "middle_block.1.qkv.weight") {
		t.Error("the U-Net's middle has no attention")
	}
}
