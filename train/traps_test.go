package train

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestTraps: where training differs from what one might write by habit, the
// reference's way is meant. The numbers are those of its list of traps.
func TestTraps(t *testing.T) {
	t.Run("08 latents are drawn from the posterior", latentsAreDrawn)
	t.Run("17 weight decay on everything", decayOnEverything)
}

func decayOnEverything(t *testing.T) {
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
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), p.g, p.outputs(cfg), l.vars, engine.Options{})
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

func latentsAreDrawn(t *testing.T) {
	dir := t.TempDir()
	pictures(t, dir)
	set, err := data.Open(dir, 16)
	if err != nil {
		t.Fatal(err)
	}
	var cfg autoencoder.Config
	if err := autoencoderConfig(t).Model.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	specs, err := model.ParamsOf(config.Target{Target: config.TargetAutoencoderKL, Params: autoencoderConfig(t).Model.Params})
	if err != nil {
		t.Fatal(err)
	}
	eng := cpu.New(cpu.Options{})
	w, err := eng.Load(nn.Initialize(specs, 1), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stage := ldm.NewFirstStage(cfg, w, ldm.Options{Engine: eng})
	x, err := set.Image(0)
	if err != nil {
		t.Fatal(err)
	}
	moments, err := stage.Moments(t.Context(), tensor.Of(x.F32, 1, 16, 16, 3))
	if err != nil {
		t.Fatal(err)
	}
	mean := stage.Mode(moments)
	z, noise := make([]float32, len(mean.F32)), make([]float32, len(mean.F32))
	if err := newLatents(stage, &feed{Loader: data.Loader{Set: set}}).sample(t.Context(), z, &data.Pick{Index: 0}, tensor.NewStream(5)); err != nil {
		t.Fatal(err)
	}
	tensor.NewStream(5).Normal(noise)
	d := cfg.EmbedDim
	for i, got := range z {
		logvar := float64(moments.F32[i/d*2*d+d+i%d])
		want := float64(mean.F32[i]) + math.Exp(logvar/2)*float64(noise[i])
		if math.Abs(float64(got)-want) > 1e-5 {
			t.Fatalf("number %d is %g, want the mean %g and its noise: %g", i, got, mean.F32[i], want)
		}
	}
}
