package lower

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// alone gives each parameter an array of its own, in the order that is best.
func alone(nodes []*graph.Node) map[string]*Place {
	plan, places := PlanOf(nodes), map[string]*Place{}
	for _, n := range nodes {
		if op, ok := n.Op.(graph.Param); ok {
			p := &Place{Array: &Array{}, Shape: op.Shape, HWIO: plan.Filters[op.Name]}
			p.Places = []*Place{p}
			places[op.Name] = p
		}
	}
	return places
}

func text(t *testing.T, y graph.Value, g *graph.Graph, opt Options) *Program {
	t.Helper()
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	nodes := Live(g, []graph.Value{y})
	p, err := Lower(nodes, []graph.Value{y}, alone(nodes), opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNoTransposes: Stable Diffusion's U-Net and decoder at 512 x 512 pixels are written
// without a transpose of pictures or filters: the results of attention's heads alone
// are brought together, one for each layer. Products are of full float32, and no layer
// holds the scores of 4096 x 4096 pixels.
func TestNoTransposes(t *testing.T) {
	for name, build := range map[string]func(g *graph.Graph) graph.Value{
		"U-Net": func(g *graph.Graph) graph.Value {
			cfg := unet.Default()
			cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.ContextDim = 4, 4, 320, 768
			cfg.NumResBlocks, cfg.ChannelMult, cfg.AttentionResolutions, cfg.NumHeads = 2, []int{1, 2, 4, 4}, []int{4, 2, 1}, 8
			cfg.UseSpatialTransformer = true
			return cfg.Build(nn.NewBuilder(g), unet.Inputs{X: g.Input("x", 2, 64, 64, 4), T: g.Input("t", 2), Context: g.Input("context", 2, 77, 768)})
		},
		"decoder": func(g *graph.Graph) graph.Value {
			cfg := autoencoder.Config{EmbedDim: 4}
			cfg.DD.ZChannels, cfg.DD.InChannels, cfg.DD.OutCh, cfg.DD.Ch = 4, 3, 3, 128
			cfg.DD.ChMult, cfg.DD.NumResBlocks, cfg.DD.Resolution, cfg.DD.DoubleZ = []int{1, 2, 4, 4}, 2, 256, true
			return cfg.Decode(nn.NewBuilder(g), g.Input("z", 1, 64, 64, 4))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := graph.New()
			y := build(g)
			p := text(t, y, g, Options{})
			attentions := 0
			for _, n := range g.Nodes() {
				if _, ok := n.Op.(graph.Attention); ok {
					attentions++
				}
			}
			if attentions == 0 || p.Transposes[4] != attentions || len(p.Transposes) != 1 {
				t.Errorf("transposes by axes %v, want but one for each of %d attentions", p.Transposes, attentions)
			}
			for round, want := range map[Rounding]string{Float32: "HIGHEST", TF32: "HIGH", BF16: "DEFAULT"} {
				if got := precisionsOf(text(t, y, g, Options{Round: round}).Text); got != want {
					t.Errorf("products of rounding %d are computed as %s, want %s", round, got, want)
				}
			}
			if strings.Contains(p.Text, "x4096x4096x") {
				t.Error("the text has all scores of 4096 x 4096 pixels at once")
			}
		})
	}
}

// precisionsOf lists the precisions that a text asks of its products.
func precisionsOf(text string) string {
	var all []string
	for _, p := range []string{"DEFAULT", "HIGH", "HIGHEST"} {
		if strings.Contains(text, "precision = ["+p+", "+p+"]") && strings.Contains(text, "[#stablehlo<precision "+p+">, #stablehlo<precision "+p+">]") {
			all = append(all, p)
		}
	}
	return strings.Join(all, ", ")
}

// TestSameText: one graph has one text, by which it is found in the cache.
func TestSameText(t *testing.T) {
	for _, n := range enginetest.Networks() {
		first, second := enginetest.Objective(n), enginetest.Objective(n)
		for _, round := range []Rounding{Float32, BF16, WideBF16, TF32} {
			a := text(t, first.Y, first.Graph, Options{Round: round})
			b := text(t, second.Y, second.Graph, Options{Round: round})
			if a.Text != b.Text {
				t.Errorf("%s: two texts", n.Name)
			}
		}
	}
}
