package autoencoder_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// smallStage is a first stage of two levels.
func smallStage(kind autoencoder.Kind) autoencoder.Config {
	return autoencoder.Config{Kind: kind, EmbedDim: 4, NEmbed: 8, DD: autoencoder.DDConfig{
		DoubleZ: kind == autoencoder.KL, ZChannels: 4, Resolution: 16, InChannels: 3, OutCh: 3, Ch: 32, ChMult: []int{1, 2}, NumResBlocks: 1}}
}

// build adds a first stage for one picture of side x side.
func build(g *graph.Graph, c autoencoder.Config, side int) (b nn.Builder, encoded, decoded graph.Value) {
	b = nn.NewBuilder(g)
	encoded = c.Encode(b, g.Input("x", 1, side, side, 3))
	return b, encoded, c.Decode(b, g.Input("z", 1, side/2, side/2, 4))
}

// TestEpsilons: the norms of the reference's first stages add 1e-6, those of its
// U-Nets 1e-5.
func TestEpsilons(t *testing.T) {
	g := graph.New()
	build(g, smallStage(autoencoder.KL), 8)
	nettest.CheckEpsilons(t, g, func(string) float32 { return 1e-6 })
}

// TestDownsampling: strided convolutions are padded by zeros right and bottom alone, so
// that pixel (2, 2) is seen from 0 and 1 in both directions, (1, 1) from 0.
func TestDownsampling(t *testing.T) {
	g := graph.New()
	b, _, _ := build(g, smallStage(autoencoder.KL), 8)
	nettest.CheckLit(t, g, b, "encoder.conv_in", "encoder.down.0.downsample.conv", 2, []int{0, 1, 4, 5})
	nettest.CheckLit(t, g, b, "encoder.conv_in", "encoder.down.0.downsample.conv", 1, []int{0})
	nettest.CheckLit(t, g, b, "encoder.conv_in", "encoder.down.0.downsample.conv", 7, []int{15})
}

// TestZerosAtFirst: unlike a U-Net's, no branch of a first stage begins as zeros.
func TestZerosAtFirst(t *testing.T) {
	g := graph.New()
	b, _, _ := build(g, smallStage(autoencoder.KL), 8)
	nettest.CheckZeros(t, b, nil)
}

// TestMiddleAttention: there is attention in the middle unless attn_type is none.
func TestMiddleAttention(t *testing.T) {
	for attention, want := range map[autoencoder.Attention]bool{autoencoder.AttnVanilla: true, autoencoder.AttnLinear: false, autoencoder.AttnNone: false} {
		stage := smallStage(autoencoder.KL)
		stage.DD.AttnType = attention
		g := graph.New()
		b, _, _ := build(g, stage, 8)
		names := slices.Collect(maps.Keys(nettest.Weights(b)))
		for _, half := range []string{"encoder", "decoder"} {
			if has := slices.Contains(names, half+".mid.attn_1.q.weight"); has != want {
				t.Errorf("attn_type %s: attention in the %s's middle: %t", attention, half, has)
			}
		}
	}
}

// TestSample: the standard deviation is exp(logvar/2), of a logvar that is cut to
// -30 and 20.
func TestSample(t *testing.T) {
	for logvar, want := range map[float32]float64{0: 1, 2: math.E, 100: math.Exp(10), -100: math.Exp(-15)} {
		nettest.Near(t, "sample", []float32{autoencoder.SampleFrom(1, logvar, .5)}, []float32{float32(1 + want/2)})
	}
}

// TestQuantizedOnDecoding: what a VQ encodes to are no rows of its codebook, and its
// decoder takes the nearest row for a vector.
func TestQuantizedOnDecoding(t *testing.T) {
	g := graph.New()
	c := smallStage(autoencoder.VQ)
	b, encoded, decoded := build(g, c, 8)
	vars := nettest.Weights(b)
	z := nettest.Random(2, 1, 4, 4, 4)
	out := nettest.Compute(t, g, vars, map[string]*tensor.Tensor{"x": nettest.Random(1, 1, 8, 8, 3), "z": z}, encoded, decoded)
	book := nettest.RowsOf(vars["quantize.embedding.weight"])
	if nearestRows(nettest.RowsOf(out[0]), book).distance == 0 {
		t.Error("the encoding is quantised")
	}
	g = graph.New()
	plain := c.DecodeContinuous(nn.NewBuilder(g), g.Input("z", 1, 4, 4, 4))
	rounded := tensor.Of(nearestRows(nettest.RowsOf(z), book).rows.Flat(), z.Shape...)
	nettest.Near(t, "picture", out[1].F32, nettest.Compute(t, g, vars, map[string]*tensor.Tensor{"z": rounded}, plain)[0].F32)
	if unrounded := nettest.Compute(t, g, vars, map[string]*tensor.Tensor{"z": z}, plain)[0]; golden.RelErr(unrounded.F32, out[1].F32) < 1e-2 {
		t.Error("the decoder does not quantise")
	}
}

// quantised is what nearestRows gives.
type quantised struct {
	rows     nettest.Rows
	distance float64 // the sum of squares
}

func nearestRows(z, book nettest.Rows) (q quantised) {
	for _, v := range z {
		squares := make([]float64, len(book))
		for i, row := range book {
			for c := range row {
				squares[i] += (v[c] - row[c]) * (v[c] - row[c])
			}
		}
		least := slices.Min(squares)
		q.rows = append(q.rows, book[slices.Index(squares, least)])
		q.distance += least
	}
	return q
}
