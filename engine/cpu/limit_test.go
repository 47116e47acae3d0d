package cpu

import (
	"errors"
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestMaxBytes: a program that needs more than it may take is refused.
func TestMaxBytes(t *testing.T) {
	e := New(Options{})
	w, err := e.Load(engine.Vars{"w": tensor.New(256, 256)}, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	compile := func(limit int64) error {
		g := graph.New()
		y := g.Unary(graph.ReLU, g.Linear(g.Input("x", 512, 256), g.Param("w", 256, 256), graph.Value{}))
		p, err := e.Compile(g, []graph.Value{y}, w, engine.Options{MaxBytes: limit})
		if err == nil {
			p.Close()
		}
		return err
	}
	if err := compile(1 << 20); !errors.Is(err, fault.Memory) {
		t.Errorf("in 1 MiB: %v", err)
	}
	if err := compile(1 << 22); err != nil {
		t.Errorf("in 4 MiB: %v", err)
	}
}

// TestAbsurdSizes: sizes that no machine has memory for are errors, wherever they come up.
func TestAbsurdSizes(t *testing.T) {
	if testing.Short() {
		t.Skip("plans large programs")
	}
	cfg := unet.Default()
	cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.NumResBlocks = 4, 4, 64, 1
	cfg.ChannelMult, cfg.AttentionResolutions = []int{1, 2}, []int{2}
	cfg.UseSpatialTransformer, cfg.ContextDim, cfg.NumHeadChannels = true, 32, 32
	for _, size := range [][3]int{
		{1, 8, 12_500_000}, {1, 12_500_000, 12_500_000}, {1, math.MaxInt / 8 * 8, 8}, {1 << 30, 8, 8}, {1 << 62, 1 << 62, 1 << 62}, {1, 1 << 14, 1 << 14},
	} {
		g := graph.New()
		b := nn.NewBuilder(g)
		n, h, w := size[0], size[1], size[2]
		y := cfg.Build(b, unet.Inputs{X: g.Input("x", n, h, w, 4), T: g.Input("t", n), Context: g.Input("context", n, 1, 32)})
		e := New(Options{Threads: 1})
		weights, err := e.Load(nn.Initialize(b.Params(), 1), engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Compile(g, []graph.Value{y}, weights, engine.Options{MaxBytes: 1 << 34}); !errors.Is(err, fault.Memory) && !errors.Is(err, fault.Input) {
			t.Errorf("%v: error %v", size, err)
		}
	}
	g := graph.New()
	y := g.Unary(graph.SiLU, g.Input("x", 1<<16, 1<<16, 64))
	if _, err := New(Options{}).Compile(g, []graph.Value{y}, nil, engine.Options{}); !errors.Is(err, fault.Memory) {
		t.Errorf("1 TiB, as much as the machine has allowed: error %v", err)
	}
}
