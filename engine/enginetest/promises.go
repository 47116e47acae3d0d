package enginetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// linear is x·wᵀ + b of 5 rows.
func linear(g *graph.Graph) graph.Value {
	return g.Linear(g.Input("x", 5, 19), g.Param("w", 7, 19), g.Param("b", 7))
}

func linearVars() engine.Vars {
	return engine.Vars{"w": Fill("w", []int{7, 19}), "b": Fill("b", []int{7}), "other": Fill("other", []int{7, 19})}
}

func (s *suite) linear(t *testing.T, w engine.Weights) engine.Program {
	t.Helper()
	g := graph.New()
	p, err := s.Compile(g, []graph.Value{linear(g)}, w, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Input("x").F32, Fill("x", []int{5, 19}).F32)
	t.Cleanup(p.Close)
	return p
}

// weights: what is pushed is seen at the next run by all programs, and pushing what was
// pulled brings the old bits back; renamed weights are the same memory.
func (s *suite) weights(t *testing.T) {
	w := s.load(t, linearVars())
	if got := w.Names(); !slices.Equal(got, []string{"b", "other", "w"}) {
		t.Errorf("names %v", got)
	}
	renamed, err := w.Renamed(map[string]string{"w": "other"})
	if err != nil {
		t.Fatal(err)
	}
	first, second, other := s.linear(t, w), s.linear(t, w), s.linear(t, renamed)
	before, apart := results(t, first, 1)[0].F32, results(t, other, 1)[0].F32
	if !slices.Equal(results(t, second, 1)[0].F32, before) || slices.Equal(apart, before) {
		t.Error("two programs over the same weights differ, or those over renamed weights do not")
	}
	old, err := w.Pull("w", "b")
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != 2 || !slices.Equal(old["w"].F32, linearVars()["w"].F32) {
		t.Error("what is pulled is not what was loaded")
	}
	if err := w.Push(engine.Vars{"w": tensor.New(7, 19), "b": tensor.New(7)}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []engine.Program{first, second} {
		if got := results(t, p, 1)[0].F32; slices.ContainsFunc(got, func(v float32) bool { return v != 0 }) {
			t.Errorf("with weights of zero the result is %v", got[:4])
		}
	}
	if err := w.Push(old); err != nil {
		t.Fatal(err)
	}
	if err := renamed.Push(engine.Vars{"w": old["w"]}); err != nil {
		t.Fatal(err)
	}
	for i, p := range []engine.Program{first, second, other} {
		if !slices.Equal(results(t, p, 1)[0].F32, before) {
			t.Errorf("program %d: the old weights give other bits", i)
		}
	}
	for _, bad := range []engine.Vars{{"w": tensor.New(19, 7)}, {"none": tensor.New(1)}} {
		if err := w.Push(bad); !errors.Is(err, fault.Input) {
			t.Errorf("pushed %v: error %v", bad, err)
		}
	}
}

// updates: AdamW and EMA write what their formulas say, other programs see it, and
// nothing is written where the norm is not finite or the run is cancelled.
func (s *suite) updates(t *testing.T) {
	const rate, decay, clip = .1, .01, .5
	vars := linearVars()
	vars["m"], vars["v"] = tensor.New(7, 19), tensor.New(7, 19)
	for i, name := range []string{"m", "v"} {
		for k, x := range Fill(name, []int{7, 19}).F32 {
			vars[name].F32[k] = x * x * float32(i+1) / 10
		}
	}
	start := map[string][]float64{}
	for name, v := range vars {
		start[name] = Floats(v.F32)
	}
	w := s.load(t, vars)
	reader := s.linear(t, w)
	before := results(t, reader, 1)[0].F32
	g := graph.New()
	y := g.ReduceAll(graph.ReduceSum, g.Unary(graph.Square, linear(g)))
	param := g.Param("w", 7, 19)
	grads := g.Gradients(y, []graph.Value{param})
	norm2 := g.SquaredNorm(grads...)
	op := graph.AdamW{Beta1: .9, Beta2: .99, Eps: 1e-6, Decay: decay, Clip: clip}
	update := g.AdamW(op, param, g.Param("m", 7, 19), g.Param("v", 7, 19), grads[0], g.Input("rate"), g.Input("step"), norm2)
	average := g.EMA(g.Param("other", 7, 19), param, g.Input("decay"), norm2)
	p, err := s.Compile(g, []graph.Value{norm2, update, average, grads[0]}, w, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Input("rate").F32[0], p.Input("step").F32[0], p.Input("decay").F32[0] = rate, 3, .75
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	p.Input("x").F32[0] = float32(math.Inf(1))
	results(t, p, 1)
	if where, err := p.FindNonFinite(); err != nil || where == "" {
		t.Errorf("an infinity is in %q: error %v", where, err)
	}
	if !slices.Equal(results(t, reader, 1)[0].F32, before) {
		t.Error("a step that was cancelled or not finite changed the weights")
	}
	copy(p.Input("x").F32, Fill("x", []int{5, 19}).F32)
	out := results(t, p, 4)
	scale := min(clip/math.Sqrt(float64(out[0].F32[0])), 1)
	want := map[string][]float64{}
	for i, d := range out[3].F32 {
		grad := float64(d) * scale
		m, v := .9*start["m"][i]+.1*grad, .99*start["v"][i]+.01*grad*grad
		x := start["w"][i] * (1 - rate*decay)
		x -= rate * (m / (1 - math.Pow(.9, 3))) / (math.Sqrt(v/(1-math.Pow(.99, 3))) + 1e-6)
		for name, value := range map[string]float64{"m": m, "v": v, "w": x, "other": .75*start["other"][i] + .25*x} {
			want[name] = append(want[name], value)
		}
	}
	now, err := w.Pull()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range want {
		if e := RelErr(now[name].F32, want); !(e < 2e-6) {
			t.Errorf("%s after a step: error %g", name, e)
		}
	}
	if slices.Equal(results(t, reader, 1)[0].F32, before) {
		t.Error("the update is not seen")
	}
}

// errors: what does not fit is refused, and so is an index outside of a table.
func (s *suite) errors(t *testing.T) {
	for _, vars := range []engine.Vars{{}, {"table": tensor.New(5, 3)}} {
		g := graph.New()
		w := s.load(t, vars)
		if _, err := s.Compile(g, []graph.Value{g.Param("table", 4, 3)}, w, engine.Options{}); err == nil {
			t.Errorf("%d parameters: no error", len(vars))
		}
		w.Close()
	}
	g := graph.New()
	p, err := s.Compile(g, []graph.Value{g.Embedding(g.Param("table", 4, 3), g.IntInput("ids", 2))}, s.load(t, engine.Vars{"table": Fill("table", []int{4, 3})}), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, bad := range []int32{-1, 4, math.MaxInt32} {
		p.Input("ids").I32[1] = bad
		if err := p.Run(t.Context()); err == nil {
			t.Errorf("index %d: no error", bad)
		}
	}
	p.Input("ids").I32[1] = 3
	if got, want := results(t, p, 1)[0].F32[3:], Fill("table", []int{4, 3}).F32[9:]; !slices.Equal(got, want) {
		t.Errorf("row 3 is %v, want %v", got, want)
	}
	g = graph.New()
	large, err := s.Compile(g, []graph.Value{g.Affine(g.Unary(graph.SiLU, g.Input("x", 1<<20)), 2, 1)}, nil, engine.Options{MaxBytes: 1 << 20})
	if !errors.Is(err, fault.Memory) {
		t.Errorf("8 MiB where 1 MiB is allowed: error %v", err)
	}
	if err == nil {
		large.Close()
	}
}

// halves: weights that are given in 16 bits give the bits of the same numbers in float32.
func (s *suite) halves(t *testing.T) {
	for _, f := range []tensor.Format{tensor.F16, tensor.BF16} {
		wide, narrow := engine.Vars{}, engine.Vars{}
		for name, v := range linearVars() {
			half := tensor.OfHalf(make([]uint16, len(v.F32)), f, v.Shape...)
			f.Narrow(half.Half, v.F32)
			wide[name], narrow[name] = half.Float32(), half
		}
		want := results(t, s.linear(t, s.load(t, wide)), 1)[0].F32
		for _, hold := range []tensor.Format{tensor.F32, f} {
			w, err := s.Load(narrow, engine.LoadOptions{Hold: hold})
			if err != nil {
				t.Fatal(err)
			}
			if got := results(t, s.linear(t, w), 1)[0].F32; !slices.Equal(got, want) {
				t.Errorf("%s held as %s: error %g", f, hold, RelErr(got, Floats(want)))
			}
		}
	}
}
