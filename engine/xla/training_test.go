package xla

import (
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// step is a training step of a small autoencoder with all that networks are made of.
type step struct {
	*graph.Graph
	outputs []graph.Value // the loss, and the updates
	vars    engine.Vars
}

func newStep(batch int) *step {
	s := &step{Graph: graph.New(), vars: engine.Vars{}}
	x := s.Input("x", batch, 8, 8, 3)
	conv := func(name string, h graph.Value, out, k, stride int) graph.Value {
		op := graph.Conv2D{Stride: stride, Top: k / 2, Bottom: k / 2, Left: k / 2, Right: k / 2}
		return s.Conv2D(h, s.weight(name+".w", out, h.Dim(3), k, k), s.weight(name+".b", out), op)
	}
	h := conv("in", x, 16, 3, 1)
	h = s.GroupNorm(h, s.weight("gamma", 16), s.weight("beta", 16), graph.GroupNorm{Groups: 4, Eps: 1e-6, SiLU: true})
	h = conv("down", h, 16, 3, 2)
	rows := s.Reshape(h, batch, 16, 16)
	q := s.Linear(rows, s.weight("q.w", 16, 16), s.weight("q.b", 16))
	v := s.Linear(rows, s.weight("v.w", 16, 16), s.weight("v.b", 16))
	a := s.Attention(q, rows, v, graph.Attention{Heads: 2, Scale: .35})
	h = conv("mix", s.Add(h, s.Reshape(a, batch, 4, 4, 16)), 16, 1, 1)
	y := conv("out", s.Upsample(h, 2), 3, 3, 1)
	loss := s.L2(y, x)
	params := s.Params()
	grads := s.Gradients(loss, params)
	norm2 := s.SquaredNorm(grads...)
	s.outputs = []graph.Value{loss, norm2}
	op := graph.AdamW{Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .01, Clip: 1}
	for i, p := range params {
		name := p.Node.Op.(graph.Param).Name
		moment := func(kind string) graph.Value {
			s.vars[kind+name] = tensor.New(p.Shape()...)
			return s.Param(kind+name, p.Shape()...)
		}
		s.outputs = append(s.outputs, s.AdamW(op, p, moment("m."), moment("v."), grads[i], s.Input("rate"), s.Input("step"), norm2))
	}
	for _, p := range params {
		name := p.Node.Op.(graph.Param).Name
		s.vars["ema."+name] = s.vars[name].Clone()
		s.outputs = append(s.outputs, s.EMA(s.Param("ema."+name, p.Shape()...), p, s.Input("decay"), norm2))
	}
	return s
}

func (s *step) weight(name string, shape ...int) graph.Value {
	w := enginetest.Fill(name, shape)
	for i := range w.F32 {
		w.F32[i] *= .2
	}
	s.vars[name] = w
	return s.Param(name, shape...)
}

// train gives the losses of n steps, and the weights behind them.
func (s *step) train(t *testing.T, e engine.Engine, n int) (losses []float64, w engine.Weights, p engine.Program) {
	t.Helper()
	vars := engine.Vars{}
	for name, v := range s.vars {
		vars[name] = v.Clone()
	}
	w, err := e.Load(vars, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err = e.Compile(s.Graph, s.outputs, w, engine.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); w.Close() })
	for i := range n {
		x := p.Input("x")
		tensor.NewStream(uint64(i)).Normal(x.F32)
		p.Input("rate").F32[0], p.Input("step").F32[0], p.Input("decay").F32[0] = 1e-3, float32(i+1), .9
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, float64(p.Output(0).F32[0]))
	}
	return losses, w, p
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	worst := 0.
	for i := range want {
		worst = max(worst, math.Abs(got[i]-want[i])/want[i])
	}
	t.Logf("%s: losses %.7f ... %.7f differ by up to %.1e", what, want[0], want[len(want)-1], worst)
	if !(worst < tolerance) {
		t.Errorf("%s: losses differ by %g, want %g", what, worst, tolerance)
	}
}

// TestTraining: twenty steps have the losses of the processor's engine, and the averages
// are its averages; the state lies in four arrays that are updated in place.
func TestTraining(t *testing.T) {
	s := newStep(4)
	want, theirs, _ := s.train(t, cpu.New(cpu.Options{}), 20)
	got, ours, p := s.train(t, open(t, "cpu"), 20)
	near(t, "one device", got, want, 1e-6)
	code := p.(*program).code
	if len(code.Arrays) != 4 || len(code.Updated) != 4 || strings.Count(code.Text, "tf.aliasing_output") != 4 {
		t.Errorf("%d arrays, of which %d are updated, want 4", len(code.Arrays), len(code.Updated))
	}
	a, err := ours.Pull()
	if err != nil {
		t.Fatal(err)
	}
	b, err := theirs.Pull()
	if err != nil {
		t.Fatal(err)
	}
	for name := range b {
		if strings.HasPrefix(name, "ema.") {
			if e := enginetest.RelErr(a[name].F32, enginetest.Floats(b[name].F32)); !(e < 1e-4) {
				t.Errorf("%s: error %g", name, e)
			}
		}
	}
	if err := ours.Push(b); err != nil { // a block is replaced in parts, too
		t.Fatal(err)
	}
	again, err := ours.Pull("ema.in.w", "m.q.b")
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range again {
		if e := enginetest.RelErr(v.F32, enginetest.Floats(b[name].F32)); e != 0 {
			t.Errorf("%s is not what was pushed: %g", name, e)
		}
	}
}

// TestTwoDevices: a batch that two devices share has one device's losses, and each holds
// half of the moments and averages.
func TestTwoDevices(t *testing.T) {
	s := newStep(4)
	want, one, _ := s.train(t, open(t, "cpu"), 20)
	got, two, p := s.train(t, open(t, "cpu:2"), 20)
	near(t, "two devices", got, want, 1e-6)
	split := 0
	for _, a := range p.(*program).code.Arrays {
		if a.Split {
			split++
		}
	}
	if split != 3 {
		t.Errorf("%d arrays are split, want the moments and the averages", split)
	}
	// of weights, two moments and averages, two devices hold 2 + 3 parts, one holds 4
	if ratio := float64(two.Bytes()) / float64(one.Bytes()); math.Abs(ratio-5./4) > .01 {
		t.Errorf("two devices hold %.3f times the state of one, want 1.25", ratio)
	}
}
