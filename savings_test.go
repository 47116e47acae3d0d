package ldm

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
)

// counting is an engine that counts the rows its programs compute, by whether their graph
// begins with deep features.
type counting struct {
	engine.Engine
	rows, shallow atomic.Int64
}

func (e *counting) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	p, err := e.Engine.Compile(g, outputs, w, opt)
	return &counted{p, e}, err
}

type counted struct {
	engine.Program
	engine *counting
}

func (p *counted) Run(ctx context.Context) error {
	if x, t := p.Input("x"), p.Input("t"); x != nil && t != nil {
		p.engine.rows.Add(int64(x.Shape[0]))
		if p.Input("deep") != nil {
			p.engine.shallow.Add(int64(x.Shape[0]))
		}
	}
	return p.Program.Run(ctx)
}

// named is the sampler of a name.
func named(t *testing.T, name string) sampler.Method {
	t.Helper()
	m, _, err := sampler.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// countingModel is the tiny model on an engine that counts.
func countingModel(t *testing.T) (*Model, *counting) {
	t.Helper()
	net, target := tinyNetwork(t), tinyTarget(t)
	e := &counting{Engine: cpu.New(cpu.Options{})}
	w, err := e.Load(tinyWeights(t, net), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return New(net, target, nil, w, Options{Engine: e}), e
}

// TestSavings: each saves what it promises, changes the pictures somewhat, and makes of a
// picture in a batch what it makes of it alone, bit for bit.
func TestSavings(t *testing.T) {
	m, e := countingModel(t)
	r := Request{Condition: Each{Class(1), Class(2), Class(1)}, Negative: Class(3), Guidance: 3, Steps: 6, Sampler: named(t, "DPM++ 2M"),
		Seeds: Seeds(5, 3), Width: 16, Height: 16}
	run := func(s Savings, r Request) (*Result, int64, int64) {
		t.Helper()
		e.rows.Store(0)
		e.shallow.Store(0)
		r.Savings = s
		out, err := m.Generate(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return out, e.rows.Load(), e.shallow.Load()
	}
	whole, rows, _ := run(Savings{}, r)
	if rows != 36 {
		t.Fatalf("%d rows without savings: want 36", rows)
	}
	for name, c := range map[string]struct {
		Savings
		rows, shallow int64 // -1: some
	}{
		"merged tokens":     {Savings{MergeTokens: .5}, 36, 0},
		"deep cache":        {Savings{DeepCache: DeepCache{Interval: 3}}, 36, 24},
		"branch 2":          {Savings{DeepCache: DeepCache{2, 2}}, 36, 18},
		"adaptive guidance": {Savings{AdaptiveGuidance: .5}, 21, 0},
		"all":               {Savings{.25, DeepCache{2, 1}, .5}, 21, 9},
	} {
		out, rows, shallow := run(c.Savings, r)
		if rows != c.rows || shallow != c.shallow {
			t.Errorf("%s: %d rows, %d of them shallow: want %d and %d", name, rows, shallow, c.rows, c.shallow)
		}
		if e := golden.RelErr(out.Pixels.F32, whole.Pixels.F32); !(e > 1e-6 && e < 1) {
			t.Errorf("%s: the pictures are %g from those without", name, e)
		}
		one := r
		one.Condition, one.Seeds = Class(2), r.Seeds[1:2]
		alone, _, _ := run(c.Savings, one)
		if !slices.Equal(alone.Pixels.F32, out.Pixels.Row(1).F32) {
			t.Errorf("%s: a picture depends on those beside it", name)
		}
	}
}

// TestSameCondition: where the negative condition is the condition itself, one of them is
// computed, and the pictures are the same to the bit.
func TestSameCondition(t *testing.T) {
	m, e := countingModel(t)
	r := Request{Condition: Each{Class(1), Class(3)}, Negative: Class(3), Guidance: 3, Steps: 4, Seeds: Seeds(5, 2), Width: 16, Height: 16}
	both, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if n := e.rows.Load(); n != 12 {
		t.Errorf("%d rows: want 3 in each of 4 steps", n)
	}
	r.Condition, r.Negative, r.Guidance, r.Seeds = Class(3), nil, 1, r.Seeds[1:]
	plain, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plain.Pixels.F32, both.Pixels.Row(1).F32) {
		t.Error("guidance between equal conditions changes the picture")
	}
}

// TestBadSavings: what cannot be saved is refused, with what is legal.
func TestBadSavings(t *testing.T) {
	m := tinyModel(t)
	base := Request{Condition: Class(1), Negative: Class(3), Guidance: 3, Steps: 2, Seeds: Seeds(1, 1), Width: 16, Height: 16}
	for want, s := range map[string]Savings{
		"from 0 to 0.75":   {MergeTokens: .8},
		"2 or more":        {DeepCache: DeepCache{Interval: -1}},
		"want 1 to 3":      {DeepCache: DeepCache{2, 4}},
		"wants an inter":   {DeepCache: DeepCache{Branch: 1}},
		"at most 1":        {AdaptiveGuidance: 1.5},
		"without guidance": {AdaptiveGuidance: .9},
	} {
		r := base
		if r.Savings = s; want == "without guidance" {
			r.Guidance, r.Negative = 1, nil
		}
		if _, err := m.Generate(context.Background(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", s, err, want)
		}
	}
}

// TestCoupled: a sampler that chooses its steps by all pictures of a batch makes them one
// by one, so that none depends on another.
func TestCoupled(t *testing.T) {
	if testing.Short() {
		t.Skip("draws many pictures")
	}
	m := tinyModel(t)
	r := Request{Condition: Class(1), Steps: 4, Sampler: named(t, "DPM adaptive"), Seeds: Seeds(5, 2), Width: 16, Height: 16}
	both, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.Seeds = r.Seeds[1:]
	alone, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(alone.Pixels.F32, both.Pixels.Row(1).F32) {
		t.Error("a picture depends on those beside it")
	}
}
