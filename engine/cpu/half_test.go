package cpu

import (
	"context"
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// feedForwardOf is a layer norm and two products with a GEGLU between them: the result,
// and what lies between.
func feedForwardOf(g *graph.Graph, n int) []graph.Value {
	const c, rows = 160, 37
	norm := g.LayerNorm(g.Param("x", n, rows, c), g.Param("g", c), g.Param("b", c), 1e-5)
	gated := g.GEGLU(g.Linear(norm, g.Param("w1", 6*c, c), g.Param("b1", 6*c)))
	return []graph.Value{g.Linear(g.Reshape(gated, n*rows, 3*c), g.Param("w2", c, 3*c), g.Param("b2", c)), norm, gated}
}

// TestHalves: values that stay bfloat16 in memory give the bits of float32 ones that
// products round, on any number of threads and for a row alone, and are found if they
// are no numbers.
func TestHalves(t *testing.T) {
	run := func(n, threads int, outputs int, gamma float32) (*Program, []float32) {
		all, g := graph.New(), graph.New()
		feedForwardOf(all, 3)
		values := feedForwardOf(g, n)
		vars := engine.Vars{}
		for i, p := range g.Params() {
			name := p.Node.Op.(graph.Param).Name
			vars[name] = tensor.Of(fill(name, all.Params()[i].Shape()).F32[:p.Shape().Size()], p.Shape()...)
		}
		if gamma > 0 {
			vars["g"].F32[7] = gamma
		}
		prog, err := compile(g, values[:outputs], vars, engine.Options{Precision: engine.BF16}, Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return prog, prog.Output(0).F32
	}
	_, want := run(3, 1, 3, 0)
	for _, c := range []struct{ n, threads int }{{3, 1}, {3, 3}, {1, 2}} {
		_, got := run(c.n, c.threads, 1, 0)
		for i, v := range got {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("%+v: number %d is %g, want %g", c, i, v, want[i])
			}
		}
	}
	bad, _ := run(1, 1, 1, math.MaxFloat32)
	if name, err := bad.FindNonFinite(); err != nil || name != "LayerNorm" {
		t.Errorf("found %q, %v", name, err)
	}
}
