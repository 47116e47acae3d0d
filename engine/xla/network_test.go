package xla

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestUNet: a small U-Net with attention to a context has the result of the processor's
// engine, in float32 and with rounded operands.
func TestUNet(t *testing.T) {
	e := open(t, "cpu")
	g := graph.New()
	b := nn.NewBuilder(g)
	cfg := unet.Default()
	cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.ContextDim = 4, 4, 32, 24
	cfg.NumResBlocks, cfg.ChannelMult, cfg.AttentionResolutions, cfg.NumHeads = 1, []int{1, 2}, []int{1, 2}, 4
	cfg.UseSpatialTransformer = true
	y := cfg.Build(b, unet.Inputs{X: g.Input("x", 2, 8, 8, 4), T: g.Input("t", 2), Context: g.Input("context", 2, 7, 24)})
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	vars := engine.Vars{}
	for _, s := range b.Params() {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	compute := func(e engine.Engine, precision engine.Precision) (*tensor.Tensor, engine.Program) {
		w, err := e.Load(vars, engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Compile(g, []graph.Value{y}, w, engine.Options{Precision: precision, Exact: precision == engine.F32})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close(); w.Close() })
		for i, name := range []string{"x", "context"} {
			tensor.NewStream(uint64(i)).Normal(p.Input(name).F32)
		}
		copy(p.Input("t").F32, []float32{1, 987.25})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.Output(0).Clone(), p
	}
	want, _ := compute(cpu.New(cpu.Options{}), engine.F32)
	for precision, tolerance := range map[engine.Precision]float64{engine.F32: golden.Forward, engine.BF16: 5e-2} {
		got, p := compute(e, precision)
		worst := golden.RelErr(got.F32, want.F32)
		t.Logf("%s: error %.1e", precision, worst)
		if !(worst < tolerance) {
			t.Errorf("%s: error %g, want %g", precision, worst, tolerance)
		}
		// of pictures none is transposed; of attention's heads one result each
		if n := p.(*program).code.Transposes[3]; n > 0 {
			t.Errorf("%d transposes of rows", n)
		}
		attentions := 0
		for _, n := range g.Nodes() {
			if _, ok := n.Op.(graph.Attention); ok {
				attentions++
			}
		}
		if n := p.(*program).code.Transposes[4]; n != attentions {
			t.Errorf("%d transposes of four axes, want those of %d attentions' results alone", n, attentions)
		}
	}
}
