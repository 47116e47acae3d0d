package cpu

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGradientsWithin: gradients from values that are computed again are the
// same, and take less memory.
func TestGradientsWithin(t *testing.T) {
	compute := func(segments int) (grads []*tensor.Tensor, bytes int64) {
		g := graph.New()
		b := nn.NewBuilder(g)
		x := g.Input("x", 2, 32, 32, 32)
		h := x
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			l := b.In(name)
			y := nn.Conv2D(l.In("conv"), nn.GroupNorm(l.In("norm"), h, 1e-5, true), 32, nn.Conv3)
			h = g.Add(nn.Conv2D(l.In("out"), nn.GroupNorm(l.In("norm2"), y, 1e-5, true), 32, nn.Conv3), h)
		}
		loss := g.ReduceAll(graph.ReduceMean, g.Unary(graph.Square, h))
		var params []graph.Value
		for _, p := range b.Params() {
			params = append(params, g.Param(p.Name, p.Shape...))
		}
		outputs := append([]graph.Value{loss}, g.GradientsWithin(segments, loss, params)...)
		if err := g.Err(); err != nil {
			t.Fatal(err)
		}
		prog, err := engine.CompileWith(New(Options{}), g, outputs, nn.Initialize(b.Params(), 1), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer prog.Close()
		tensor.NewStream(7).Normal(prog.Input("x").F32)
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			grads = append(grads, prog.Output(i).Clone())
		}
		return grads, prog.PeakBytes()
	}
	want, most := compute(0)
	for _, segments := range []int{2, 3, 6} {
		got, bytes := compute(segments)
		if bytes >= most {
			t.Errorf("%d segments take %d bytes, without them it is %d", segments, bytes, most)
		}
		t.Logf("%d segments take %d bytes of %d", segments, bytes, most)
		for i, w := range want {
			for k, v := range w.F32 {
				if got[i].F32[k] != v {
					t.Fatalf("%d segments: gradient %d, number %d is %g, want %g", segments, i, k, got[i].F32[k], v)
				}
			}
		}
	}
}
