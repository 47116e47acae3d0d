package train

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestDecayOnEverything: weight decay of 0.01 on every parameter, norms and biases
// too, is what PyTorch's AdamW does by default, and the reference leaves it so.
func TestDecayOnEverything(t *testing.T) {
	cfg := DefaultDiffusion().Train
	if cfg.WeightDecay != 0.01 {
		t.Errorf("weight decay %g by default, the reference's is 0.01", cfg.WeightDecay)
	}
	cfg.EMA, cfg.Clip = 0, 0
	var names []string
	p, err := newPass(Objective{Optimizer: cfg.Optimizer, Moves: func(string) bool { return true }, Build: func(b nn.Builder) Loss {
		var sum graph.Value
		for _, w := range []nn.ParamSpec{{Name: "norm.weight", Shape: []int{3}}, {Name: "conv.bias", Shape: []int{3}}, {Name: "embedding.weight", Shape: []int{1, 3}}} {
			names = append(names, w.Name)
			v := b.G.Affine(b.G.ReduceAll(graph.ReduceSum, b.Param(w.Name, nn.Ones, w.Shape...)), 0, 0) // a gradient of zero
			if sum.Valid() {
				v = b.G.Add(sum, v)
			}
			sum = v
		}
		return Loss{Minimized: sum}
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{cfg: cfg, vars: engine.Vars{}, passes: []*pass{p}}
	for _, w := range p.weights {
		l.vars[w.Name] = tensor.Of([]float32{1, -2, 3}, w.Shape...)
	}
	l.addOptimizerVars()
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), p.g, p.outputs(cfg, 1), l.vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const rate = 0.5
	prog.Input("rate").F32[0], prog.Input("step").F32[0] = rate, 1
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for i, before := range []float64{1, -2, 3} {
			want := before * (1 - rate*0.01)
			if got := float64(l.vars[name].F32[i]); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s[%d] is %g after a step without gradient, want %g", name, i, got, want)
			}
		}
	}
}
