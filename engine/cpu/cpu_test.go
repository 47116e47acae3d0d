package cpu

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// TestEngine holds the engine to its definition.
func TestEngine(t *testing.T) {
	tolerance := enginetest.Tolerance{Value: 3e-6}
	if isa.Current().Has(isa.AMX) { // split products
		tolerance.Value = 3e-5
	}
	enginetest.Run(t, func() engine.Engine { return New(Options{Threads: 2}) }, enginetest.Options{F32: tolerance})
}

// compile loads vars for one program.
func compile(g *graph.Graph, outputs []graph.Value, vars engine.Vars, opt engine.Options, with Options) (*Program, error) {
	e := New(with)
	w, err := e.Load(vars, engine.LoadOptions{})
	if err != nil {
		return nil, err
	}
	p, err := e.Compile(g, outputs, w, opt)
	if err != nil {
		return nil, err
	}
	return p.(*Program), nil
}

var (
	fill     = enginetest.Fill
	relErr   = enginetest.RelErr
	floats64 = enginetest.Floats
)

// objective is a network's goal, taken apart.
func objective(n enginetest.Network) (g *graph.Graph, y, loss graph.Value, params, grads []graph.Value) {
	o := enginetest.Objective(n)
	return o.Graph, o.Y, o.Loss, o.Params, o.Grads
}

// drawn are values of a graph's parameters.
func drawn(g *graph.Graph) engine.Vars {
	vars := engine.Vars{}
	for _, p := range g.Params() {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = fill(name, p.Shape())
	}
	return vars
}

// TestSameBits: the number of threads changes no bit.
func TestSameBits(t *testing.T) {
	for _, n := range enginetest.Networks() {
		var first [][]float32
		for _, threads := range []int{1, 4} {
			g, y, loss, _, grads := objective(n)
			vars := drawn(g)
			outputs := []graph.Value{y}
			if !n.Flat {
				outputs = append(append(outputs, loss), grads...)
			}
			prog, err := compile(g, outputs, vars, engine.Options{}, Options{Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			if w := prog.Input("weight"); w != nil {
				copy(w.F32, fill("weight", w.Shape).F32)
			}
			for name, ids := range n.IDs {
				copy(prog.Input(name).I32, ids)
			}
			if err := prog.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i := range outputs {
				if threads == 1 {
					first = append(first, append([]float32(nil), prog.Output(i).F32...))
					continue
				}
				for j, v := range prog.Output(i).F32 {
					if math.Float32bits(v) != math.Float32bits(first[i][j]) {
						t.Fatalf("%s: output %d differs between 1 and 4 threads", n.Name, i)
					}
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	g := graph.New()
	y := g.Embedding(g.Param("table", 4, 3), g.IntInput("ids", 2))
	if _, err := compile(g, []graph.Value{y}, engine.Vars{"table": tensor.New(5, 3)}, engine.Options{}, Options{}); err == nil || !strings.Contains(err.Error(), "table is [5 3], want [4 3]") {
		t.Errorf("misshapen parameter: %v", err)
	}
	prog, err := compile(g, []graph.Value{y}, engine.Vars{"table": tensor.New(4, 3)}, engine.Options{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	prog.Input("ids").I32[1] = 4
	if err := prog.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "index 4: want 0 to 3") {
		t.Errorf("index outside of the table: %v", err)
	}
}
