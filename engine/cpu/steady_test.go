package cpu

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// trainingStep compiles a U-Net's forward and backward pass with AdamW and EMA.
func trainingStep(t testing.TB, threads int) *Program {
	t.Helper()
	cfg := unet.Default()
	cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.NumResBlocks = 4, 4, 64, 1
	cfg.ChannelMult, cfg.AttentionResolutions = []int{1, 2}, []int{2}
	cfg.UseSpatialTransformer, cfg.ContextDim, cfg.NumHeadChannels = true, 32, 32
	g := graph.New()
	b := nn.NewBuilder(g)
	x := g.Input("x", 4, 16, 16, 4)
	y := cfg.Build(b, unet.Inputs{X: x, T: g.Input("t", 4), Context: g.Input("context", 4, 7, 32)})
	loss := g.L2(y, g.Input("target", 4, 16, 16, 4))
	vars := nn.Initialize(b.Params(), 1)
	outputs := []graph.Value{loss}
	params := g.Params()
	grads := g.Gradients(loss, params)
	norm2 := g.SquaredNorm(grads...)
	op := graph.AdamW{Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .01, Clip: 1}
	for i, p := range params {
		name := p.Node.Op.(graph.Param).Name
		state := func(prefix string) graph.Value {
			vars[prefix+name] = vars[name].Clone()
			clear(vars[prefix+name].F32)
			return g.Param(prefix+name, p.Shape()...)
		}
		outputs = append(outputs, g.AdamW(op, p, state("m."), state("v."), grads[i], g.Input("rate"), g.Input("step"), norm2))
		outputs = append(outputs, g.EMA(state("ema."), p, g.Input("decay"), norm2))
	}
	prog, err := compile(g, outputs, vars, engine.Options{}, Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "context", "target"} {
		in := prog.Input(name)
		copy(in.F32, fill(name, in.Shape).F32)
	}
	prog.Input("rate").F32[0], prog.Input("step").F32[0], prog.Input("decay").F32[0] = 1e-3, 1, .9
	return prog
}

// TestSteadyState: a training step lowers the loss and does not allocate.
func TestSteadyState(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	prog := trainingStep(t, 2)
	if err := prog.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	first := prog.Output(0).F32[0]
	if n := testing.AllocsPerRun(5, func() { prog.Run(context.Background()) }); n != 0 {
		t.Errorf("%g allocations in a step", n)
	}
	if last := prog.Output(0).F32[0]; !(last < first) {
		t.Errorf("loss %g, then %g", first, last)
	}
	if prog.PeakBytes() <= 0 {
		t.Error("no peak is reported")
	}
	prog.Input("x").F32[3] = float32(math.NaN())
	if where, err := prog.FindNonFinite(); err != nil || where != "input x" {
		t.Errorf("NaN in %q, %v", where, err)
	}
}

// BenchmarkUNetStep times a training step; it reports 0 allocs/op.
func BenchmarkUNetStep(b *testing.B) {
	prog := trainingStep(b, 0)
	prog.Run(context.Background())
	b.ReportAllocs()
	b.ReportMetric(float64(prog.PeakBytes())/(1<<20), "MiB-planned")
	for b.Loop() {
		prog.Run(context.Background())
	}
}

// TestGoldenTimesteps holds the timestep embedding against the reference's.
func TestGoldenTimesteps(t *testing.T) {
	for _, c := range golden.Cases(t, "schedules/timestep_*") {
		for name := range c.Outputs {
			if !strings.HasPrefix(name, "timestep_embedding/") {
				continue
			}
			want := c.Output(t, name)
			g := graph.New()
			y := g.TimestepEmbedding(g.Input("t", want.Shape[0]), want.Shape[1])
			prog, err := compile(g, []graph.Value{y}, nil, engine.Options{}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range c.Numbers("t") {
				prog.Input("t").F32[i] = float32(v)
			}
			if err := prog.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i, w := range want.F32 {
				if math.Abs(float64(prog.Output(0).F32[i]-w)) > 2e-4 {
					t.Errorf("%s[%d] = %g, want %g", name, i, prog.Output(0).F32[i], w)
					break
				}
			}
		}
	}
}

// TestRemake: with gradients a GEGLU is computed twice, alone as part of its product.
func TestRemake(t *testing.T) {
	count := func(training bool) (steps int) {
		for _, n := range enginetest.Networks() {
			if n.Name != "GEGLU of a product[200 36 192]" {
				continue
			}
			g, y, _, params, grads := objective(n)
			vars := engine.Vars{}
			for _, p := range params {
				name := p.Node.Op.(graph.Param).Name
				vars[name] = fill(name, p.Shape())
			}
			outputs := []graph.Value{y}
			if training {
				outputs = append(outputs, grads...)
			}
			prog, err := compile(g, outputs, vars, engine.Options{}, Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range prog.Profile() {
				if s.Op == "GEGLU" && s.Flops == 0 {
					steps++
				}
			}
		}
		return steps
	}
	if alone, training := count(false), count(true); alone != 0 || training != 2 {
		t.Errorf("%d steps of GEGLU alone, %d with gradients: want 0 and 2", alone, training)
	}
}

// TestRemakeGroupNorm: bfloat16 makes group norms anew for the gradient, those of sums
// with a time embedding too; where the processor multiplies float32 all the same, the
// gradients have the same bits.
func TestRemakeGroupNorm(t *testing.T) {
	const n, side, c, blocks = 2, 8, 32, 4
	g, y, _, params, grads := objective(enginetest.Network{Build: func(g *graph.Graph) graph.Value {
		x := g.Param("x", n, side, side, c)
		for i := range blocks {
			name := func(what string) string { return fmt.Sprint(what, i) }
			h := g.Add(x, g.Param(name("e"), n, 1, 1, c))
			h = g.GroupNorm(h, g.Param(name("gamma"), c), g.Param(name("beta"), c), graph.GroupNorm{Groups: 4, Eps: 1e-5, SiLU: true})
			x = g.Add(x, g.Conv2D(h, g.Param(name("w"), c, c, 3, 3), graph.Value{}, graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}))
		}
		return x
	}})
	vars := engine.Vars{}
	for _, p := range params {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = fill(name, p.Shape())
	}
	run := func(precision engine.Precision) (got [][]float32, norms int) {
		prog, err := compile(g, append([]graph.Value{y}, grads...), vars, engine.Options{Precision: precision}, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer prog.Close()
		copy(prog.Input("weight").F32, fill("weight", y.Shape()).F32)
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, s := range prog.Profile() {
			if s.Op == "GroupNorm" {
				norms++
			}
		}
		for i := range len(grads) + 1 {
			got = append(got, slices.Clone(prog.Output(i).F32))
		}
		return got, norms
	}
	want, kept := run(engine.F32)
	got, made := run(engine.BF16)
	if made <= kept {
		t.Errorf("%d steps of GroupNorm in bfloat16, %d in float32", made, kept)
	}
	tol := 0.
	if isa.Current().BF16() {
		tol = 3e-2
	}
	for i := range want {
		if e := relErr(got[i], floats64(want[i])); !(e <= tol) {
			t.Errorf("output %d: error %g", i, e)
		}
	}
}

// TestConcatGrows: a concatenation that grows out of its first input keeps all rows.
func TestConcatGrows(t *testing.T) {
	for _, s := range [][3]int{{9000, 24, 12}, {9000, 1, 5}, {9000, 40, 1}, {1, 4, 4}, {50, 300, 200}} {
		rows, a, b := s[0], s[1], s[2]
		g := graph.New()
		x, y := g.Input("x", rows, a), g.Input("y", rows, b)
		z := g.Concat(1, g.Affine(x, 2, 0), y, y)
		prog, err := compile(g, []graph.Value{g.Affine(z, 1, 1)}, nil, engine.Options{}, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		if got := prog.steps[1].phases; got[len(got)-1].Tasks != 1 || got[len(got)-1].Name != "concat" || &prog.values(z)[0] != &prog.values(z.Node.Inputs[0])[0] {
			t.Errorf("%v: the result did not grow out of its input", s)
		}
		for _, in := range []string{"x", "y"} {
			copy(prog.Input(in).F32, fill(in, prog.Input(in).Shape).F32)
		}
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		at := 0
		for r := range rows {
			for c := range a + 2*b {
				want := 2*prog.Input("x").F32[min(r*a+c, rows*a-1)] + 1
				if c >= a {
					want = prog.Input("y").F32[r*b+(c-a)%b] + 1
				}
				if got := prog.Output(0).F32[at]; got != want {
					t.Fatalf("%v: row %d, number %d is %g, want %g", s, r, c, got, want)
				}
				at++
			}
		}
		prog.Close()
	}
}

// TestAttentionInPlace: the result of an attention lies where its queries were, unless
// these are keys or wanted later, and is the same.
func TestAttentionInPlace(t *testing.T) {
	for _, s := range [][4]int{{2, 300, 300, 2}, {20, 40, 20, 3}, {1, 70, 1, 2}} {
		n, length, keys, heads := s[0], s[1], s[2], s[3]
		attend := func(kept, self bool) []float32 {
			g := graph.New()
			q, k := g.Affine(g.Input("q", n, length, heads*40), 2, 0), g.Affine(g.Input("k", n, keys, heads*40), 1, 1)
			if self {
				k = q
			}
			y := g.Attention(q, k, k, graph.Attention{Heads: heads, Scale: 0.1})
			outputs := []graph.Value{g.Affine(y, 1, 1)}
			if kept {
				outputs = append(outputs, q)
			}
			prog, err := compile(g, outputs, nil, engine.Options{}, Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer prog.Close()
			if p := prog; (&p.values(y)[0] == &p.values(q)[0]) == (kept || self) {
				t.Errorf("%v: kept %v, self %v: in the wrong place", s, kept, self)
			}
			for _, in := range []string{"q", "k"} {
				if x := prog.Input(in); x != nil {
					copy(x.F32, fill(in, x.Shape).F32)
				}
			}
			if err := prog.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(prog.Output(0).F32)
		}
		for _, self := range []bool{false, true} {
			if want, got := attend(true, self), attend(false, self); !slices.Equal(got, want) {
				t.Errorf("%v: self %v: not the same", s, self)
			}
		}
	}
}
