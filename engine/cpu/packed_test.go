package cpu

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// mixed uses weights in every way: packed by products and convolutions, and read as
// they are by a norm, a table and additions.
func mixed(g *graph.Graph) graph.Value {
	pad := graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}
	x := g.Conv2D(g.Input("x", 2, 12, 12, 64), g.Param("conv", 64, 64, 3, 3), g.Param("conv bias", 64), pad)
	x = g.GroupNorm(x, g.Param("gamma", 64), g.Param("beta", 64), graph.GroupNorm{Groups: 8, Eps: 1e-5, SiLU: true})
	x = g.Conv2D(x, g.Param("down", 40, 64, 3, 3), graph.Value{}, graph.Conv2D{Stride: 2, Top: 1, Left: 1})
	rows := g.Reshape(x, 2, 36, 40)
	rows = g.Add(rows, g.Embedding(g.Param("table", 7, 40), g.IntInput("ids", 2, 36)))
	gate := g.GEGLU(g.Linear(rows, g.Param("gate", 128, 40), g.Param("gate bias", 128)))
	return g.Linear(gate, g.Param("out", 5, 64), graph.Value{})
}

func runMixed(t *testing.T, vars engine.Vars, load engine.LoadOptions, opt engine.Options, lazy bool) ([]float32, error) {
	t.Helper()
	g := graph.New()
	y := mixed(g)
	e := New(Options{Threads: 2, Lazy: lazy})
	w, err := e.Load(vars, load)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	prog, err := e.Compile(g, []graph.Value{y}, w, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	copy(prog.Input("x").F32, fill("x", prog.Input("x").Shape).F32)
	for i := range prog.Input("ids").I32 {
		prog.Input("ids").I32[i] = int32(i % 7)
	}
	if err := prog.Run(context.Background()); err != nil {
		return nil, err
	}
	return slices.Clone(prog.Output(0).F32), nil
}

func mixedVars(f tensor.Format, half bool) engine.Vars {
	g := graph.New()
	mixed(g)
	vars := engine.Vars{}
	for _, p := range g.Params() {
		name := p.Node.Op.(graph.Param).Name
		v := fill(name, p.Shape())
		if f != tensor.F32 {
			h := tensor.OfHalf(make([]uint16, len(v.F32)), f, v.Shape...)
			f.Narrow(h.Half, v.F32)
			if v = h.Float32(); half {
				v = h
			}
		}
		vars[name] = v
	}
	return vars
}

// TestHold: weights given and held in 16 bits give the bits that the same weights
// give in float32, packed in the background or not.
func TestHold(t *testing.T) {
	for _, f := range []tensor.Format{tensor.F16, tensor.BF16} {
		for _, precision := range []engine.Precision{engine.F32, engine.BF16} {
			want, err := runMixed(t, mixedVars(f, false), engine.LoadOptions{}, engine.Options{Precision: precision}, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				hold tensor.Format
				lazy bool
			}{{tensor.F32, true}, {f, true}, {f, false}} {
				got, err := runMixed(t, mixedVars(f, true), engine.LoadOptions{Hold: c.hold}, engine.Options{Precision: precision}, c.lazy)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s %s %+v: results differ from those of float32 weights by %g", f, precision, c, relErr(got, floats64(want)))
				}
			}
		}
	}
}

// TestHoldTooLarge: a weight that half precision cannot hold is an error, also of
// later runs.
func TestHoldTooLarge(t *testing.T) {
	vars := mixedVars(tensor.F32, false)
	vars["gate"].F32[7] = 7e4
	_, err := runMixed(t, vars, engine.LoadOptions{Hold: tensor.F16}, engine.Options{Exact: true}, false)
	if err == nil || !strings.Contains(err.Error(), "gate") {
		t.Errorf("error %v: want one about gate", err)
	}
	if _, err := runMixed(t, vars, engine.LoadOptions{Hold: tensor.BF16}, engine.Options{}, false); err != nil {
		t.Error(err)
	}
}

// TestCloseWhilePacking: a program may be closed at any time of packing ahead.
func TestCloseWhilePacking(t *testing.T) {
	for range 20 {
		g := graph.New()
		y := mixed(g)
		prog, err := compile(g, []graph.Value{y}, mixedVars(tensor.F32, false), engine.Options{}, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		prog.Close()
	}
}
