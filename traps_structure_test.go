package ldm

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestStructureTraps: networks have the reference's layers where it has them.
func TestStructureTraps(t *testing.T) {
	t.Run("08 VQ latents are not quantised", quantisation)
	t.Run("14 attention factors", attentionFactors)
	t.Run("15 attention in the middle", middleAttention)
	t.Run("16 zeros at first", zerosAtFirst)
	t.Run("18 channels of the last convolution", lastConvolution)
}

// quantisation: what a VQ encodes to are no rows of its codebook, and its
// decoder takes the nearest row for a vector.
func quantisation(t *testing.T) {
	g := graph.New()
	c := smallStage(autoencoder.VQ)
	b, encoded, decoded := buildStage(g, c, 8)
	vars := weightsOf(b)
	z := random(2, 1, 4, 4, 4)
	out := compute(t, g, vars, map[string]*tensor.Tensor{"x": random(1, 1, 8, 8, 3), "z": z}, encoded, decoded)
	book := rowsOf(vars["quantize.embedding.weight"])
	if nearestRows(rowsOf(out[0]), book).distance == 0 {
		t.Error("the encoding is quantised")
	}
	g = graph.New()
	plain := c.DecodeContinuous(nn.NewBuilder(g), g.Input("z", 1, 4, 4, 4))
	rounded := tensor.Of(nearestRows(rowsOf(z), book).rows.flat(), z.Shape...)
	near(t, "picture", out[1].F32, compute(t, g, vars, map[string]*tensor.Tensor{"z": rounded}, plain)[0].F32)
	if unrounded := compute(t, g, vars, map[string]*tensor.Tensor{"z": z}, plain)[0]; golden.RelErr(unrounded.F32, out[1].F32) < 1e-2 {
		t.Error("the decoder does not quantise")
	}
}

// quantised is what nearestRows gives.
type quantised struct {
	rows     rows
	distance float64 // the sum of squares
}

func nearestRows(z, book rows) (q quantised) {
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

// namesOf are the parameters of a U-Net.
func namesOf(t *testing.T, c unet.Config) []string {
	t.Helper()
	g := graph.New()
	b, _ := buildUNet(g, c, 4)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return sortedNames(weightsOf(b))
}

// attentionFactors: 2 stands for the second level whatever the latent's size,
// and what stands for no level is ignored.
func attentionFactors(t *testing.T) {
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

func middleAttention(t *testing.T) {
	c := attentionUNet()
	c.AttentionResolutions = nil
	if !slices.Contains(namesOf(t, c), "middle_block.1.qkv.weight") {
		t.Error("the U-Net's middle has no attention")
	}
	for attention, want := range map[string]bool{"": true, "vanilla": true, "none": false} {
		stage := smallStage(autoencoder.KL)
		stage.DD.AttnType = attention
		keys, err := model.StageStateDict(stage)
		if err != nil {
			t.Fatal(err)
		}
		for _, half := range []string{"encoder", "decoder"} {
			if _, has := keys[half+".mid.attn_1.q.weight"]; has != want {
				t.Errorf("attn_type %q: attention in the %s's middle: %t", attention, half, has)
			}
		}
	}
}

// zerosAtFirst: besides the biases of norms, those parameters are zero that are
// the last of a residual branch of the U-Net or of the U-Net itself.
func zerosAtFirst(t *testing.T) {
	last := []string{".out_layers.3.", "out.2.", ".1.proj_out."}
	for _, c := range []unet.Config{attentionUNet(), transformerUNet()} {
		g := graph.New()
		b, _ := buildUNet(g, c, 4)
		checkZeros(t, b, last)
	}
	g := graph.New()
	b, _, _ := buildStage(g, smallStage(autoencoder.KL), 8)
	checkZeros(t, b, nil)
}

func checkZeros(t *testing.T, b nn.Builder, last []string) {
	t.Helper()
	vars := nn.Initialize(b.Params(), 1)
	for name, x := range vars {
		layer := strings.TrimSuffix(strings.TrimSuffix(name, "weight"), "bias")
		norm := len(vars[layer+"weight"].Shape) == 1
		want := norm && strings.HasSuffix(name, "bias") ||
			slices.ContainsFunc(last, func(s string) bool { return strings.HasSuffix("."+layer, s) })
		zero := !slices.ContainsFunc(x.F32, func(v float32) bool { return v != 0 })
		if zero != want {
			t.Errorf("%s is zero: %t, want %t", name, zero, want)
		}
	}
}

// lastConvolution takes model_channels where the first level has as many; the
// reference fails elsewhere, where it takes the first level's here.
func lastConvolution(t *testing.T) {
	for first, want := range map[int]int{1: 32, 2: 64} {
		c := attentionUNet()
		c.ChannelMult = []int{first, 2}
		g := graph.New()
		b, y := buildUNet(g, c, 4)
		vars := weightsOf(b)
		if s := vars["out.2.weight"].Shape; !s.Equal(tensor.Shape{2, want, 3, 3}) {
			t.Errorf("channel_mult %v: last convolution of %v", c.ChannelMult, s)
		}
		compute(t, g, vars, map[string]*tensor.Tensor{"x": random(1, 1, 4, 4, 2)}, y)
	}
}
