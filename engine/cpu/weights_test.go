package cpu

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// product is x·wᵀ + b of so many rows.
func product(g *graph.Graph, rows int) graph.Value {
	return g.Linear(g.Input("x", rows, 64), g.Param("w", 48, 64), g.Param("b", 48))
}

func productVars() engine.Vars {
	return engine.Vars{"w": fill("w", []int{48, 64}), "b": fill("b", []int{48}), "ema.w": fill("ema", []int{48, 64})}
}

func load(t *testing.T, e *Engine, vars engine.Vars, opt engine.LoadOptions) *weights {
	t.Helper()
	w, err := e.Load(vars, opt)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*weights)
}

func compileProduct(t *testing.T, e *Engine, w engine.Weights, rows int) *Program {
	t.Helper()
	g := graph.New()
	p, err := e.Compile(g, []graph.Value{product(g, rows)}, w, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Input("x").F32 {
		p.Input("x").F32[i] = float32(i%7) - 3
	}
	return p.(*Program)
}

func results(t *testing.T, p engine.Program) []float32 {
	t.Helper()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(p.Output(0).F32)
}

// TestWeightsAreShared: a parameter is packed once for all programs, and the packed
// copy goes with the last of them.
func TestWeightsAreShared(t *testing.T) {
	released := map[string]int{}
	e := New(Options{Threads: 2, Lazy: true})
	w := load(t, e, productVars(), engine.LoadOptions{Released: func(name string) { released[name]++ }})
	a, b := compileProduct(t, e, w, 3), compileProduct(t, e, w, 70)
	results(t, a)
	results(t, b)
	if released["w"] != 1 || released["b"] != 1 || len(released) != 2 {
		t.Errorf("released %v", released)
	}
	c := w.cells["w"]
	if len(c.packed) != 1 {
		t.Errorf("%d layouts", len(c.packed))
	}
	both := w.Bytes()
	a.Close()
	a.Close()
	if w.Bytes() != both || len(c.packed) != 1 {
		t.Error("the packed copy went with the first program")
	}
	if err := a.Run(t.Context()); err == nil {
		t.Error("a closed program runs")
	}
	b.Close()
	if w.Bytes() >= both || len(c.packed) != 0 {
		t.Errorf("the packed copy stays: %d bytes, %d before", w.Bytes(), both)
	}
	w.Close()
}

// TestPush: programs see what is pushed at their next run, and pushing what was pulled
// before brings the old bits back.
func TestPush(t *testing.T) {
	e := New(Options{Threads: 2})
	w := load(t, e, productVars(), engine.LoadOptions{})
	renamed, err := w.Renamed(map[string]string{"w": "ema.w"})
	if err != nil {
		t.Fatal(err)
	}
	p, means := compileProduct(t, e, w, 5), compileProduct(t, e, renamed, 5)
	before, averages := results(t, p), results(t, means)
	if slices.Equal(before, averages) {
		t.Error("the renamed weights are not used")
	}
	old, err := w.Pull("w", "b")
	if err != nil {
		t.Fatal(err)
	}
	half := tensor.OfHalf(make([]uint16, 48*64), tensor.BF16, 48, 64) // zeros
	if err := w.Push(engine.Vars{"w": half, "b": tensor.New(48)}); err != nil {
		t.Fatal(err)
	}
	if got := results(t, p); slices.ContainsFunc(got, func(v float32) bool { return v != 0 }) {
		t.Errorf("with weights of zero the result is %v", got[:4])
	}
	if err := w.Push(old); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(results(t, p), before) {
		t.Error("the old weights give other bits")
	}
	if err := renamed.Push(engine.Vars{"w": old["w"]}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(results(t, means), before) {
		t.Error("the renamed weights do not change")
	}
	for _, bad := range []engine.Vars{{"w": tensor.New(64, 48)}, {"none": tensor.New(1)}, {"w": nil}, {"b": tensor.New(48), "w": tensor.NewInt(48, 64)}} {
		if err := w.Push(bad); !errors.Is(err, fault.Input) {
			t.Errorf("%v: error %v", bad, err)
		}
	}
	if !slices.Equal(results(t, p), before) {
		t.Error("a refused push changed something")
	}
	if _, err := w.Pull("none"); !errors.Is(err, fault.Input) {
		t.Errorf("error %v", err)
	}
	if _, err := w.Renamed(map[string]string{"w": "none"}); !errors.Is(err, fault.Input) {
		t.Errorf("error %v", err)
	}
}

// TestUpdatesAreSeen: what a training step changes, other programs see at their next run.
func TestUpdatesAreSeen(t *testing.T) {
	e := New(Options{Threads: 2})
	vars := productVars()
	for _, name := range []string{"m", "v"} {
		vars[name] = tensor.New(48, 64)
	}
	w := load(t, e, vars, engine.LoadOptions{})
	p := compileProduct(t, e, w, 5)
	before := results(t, p)
	g := graph.New()
	param := g.Param("w", 48, 64)
	y := g.ReduceAll(graph.ReduceMean, g.Unary(graph.Square, product(g, 5)))
	grads := g.Gradients(y, []graph.Value{param})
	norm2 := g.SquaredNorm(grads...)
	update := g.AdamW(graph.AdamW{Beta1: .9, Beta2: .999, Eps: 1e-8}, param, g.Param("m", 48, 64), g.Param("v", 48, 64), grads[0], g.Fill(.1), g.Fill(1), norm2)
	train, err := e.Compile(g, []graph.Value{norm2, update}, w, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	copy(train.Input("x").F32, p.Input("x").F32)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := train.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(results(t, p), before) {
		t.Error("a cancelled step changed the weights")
	}
	results(t, train)
	after := results(t, p)
	if slices.Equal(after, before) {
		t.Error("the update is not seen")
	}
	now, err := w.Pull("w")
	if err != nil {
		t.Fatal(err)
	}
	fresh := load(t, e, engine.Vars{"w": now["w"].Clone(), "b": fill("b", []int{48})}, engine.LoadOptions{})
	if got := results(t, compileProduct(t, e, fresh, 5)); !slices.Equal(got, after) {
		t.Error("the updated weights are not those that are pulled")
	}
}

// TestCancel: a cancelled run ends soon, also while it waits for another program.
func TestCancel(t *testing.T) {
	e := New(Options{Threads: 2})
	g := graph.New()
	x := g.Input("x", 1, 64, 64, 128)
	y := x
	for range 200 {
		y = g.Conv2D(y, g.Param("w", 128, 128, 3, 3), graph.Value{}, graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
	}
	w := load(t, e, engine.Vars{"w": tensor.New(128, 128, 3, 3)}, engine.LoadOptions{})
	long, err := e.Compile(g, []graph.Value{y}, w, engine.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	small := compileProduct(t, e, load(t, e, productVars(), engine.LoadOptions{}), 5)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- long.Run(ctx) }()
	time.Sleep(50 * time.Millisecond)
	waiting, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := small.Run(waiting); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a run beside another: error %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	results(t, small)
}
