package unet

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// TestTooManyHeads: more heads than channels is an error, with either kind of attention.
func TestTooManyHeads(t *testing.T) {
	for _, transformer := range []bool{false, true} {
		cfg := Default()
		cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.NumResBlocks = 4, 4, 32, 1
		cfg.ChannelMult, cfg.NumHeads, cfg.UseSpatialTransformer = []int{1}, 100, transformer
		if transformer {
			cfg.ContextDim = 8
		}
		g := graph.New()
		cfg.Build(nn.NewBuilder(g), Inputs{X: g.Input("x", 1, 4, 4, 4), T: g.Input("t", 1), Context: g.Input("context", 1, 2, 8)})
		if err := g.Err(); err == nil || !strings.Contains(err.Error(), "cannot be cut into 100 heads") {
			t.Errorf("spatial transformer %v: error %v", transformer, err)
		}
	}
}
