package cpu

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// normedNetwork is a group norm of n pictures with a convolution, or a product of its
// pixels, and a residual behind: its result, and the normalised pictures.
func normedNetwork(g *graph.Graph, n int, conv bool) []graph.Value {
	const c = 160
	x := g.Param("x", n, 5, 6, c)
	gamma, beta := g.Param("g", c), g.Param("b", c)
	if conv {
		sum := g.Add(x, g.Affine(g.Param("e", n, 1, 1, c), 3, 1))
		norm := g.GroupNorm(sum, gamma, beta, graph.GroupNorm{Groups: 32, Eps: 1e-5, SiLU: true})
		y := g.Conv2D(norm, g.Param("w", c, c, 3, 3), g.Param("bias", c), graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
		return []graph.Value{g.Add(y, x), norm}
	}
	norm := g.GroupNorm(x, gamma, beta, graph.GroupNorm{Groups: 32, Eps: 1e-6})
	return []graph.Value{g.Linear(g.Reshape(norm, n, 30, c), g.Param("w", 40, c), g.Param("bias", 40)), norm}
}

// TestNormed: a group norm that a product of tiles makes as it reads gives the bits of
// one that is made before, on any number of threads and for a picture alone, and
// allocates nothing.
func TestNormed(t *testing.T) {
	for _, conv := range []bool{true, false} {
		want := runNormed(t, conv, 3, 1, false)
		for _, c := range []struct{ n, threads int }{{3, 1}, {3, 3}, {1, 2}} {
			for i, v := range runNormed(t, conv, c.n, c.threads, true) {
				if math.Float32bits(v) != math.Float32bits(want[i]) {
					t.Fatalf("convolution %v, %+v: number %d is %g, want %g", conv, c, i, v, want[i])
				}
			}
		}
	}
}

// runNormed gives the result for the first n of three pictures. If the normalised ones
// are not wanted, they are not made.
func runNormed(t *testing.T, conv bool, n, threads int, fused bool) []float32 {
	all, g := graph.New(), graph.New()
	normedNetwork(all, 3, conv)
	outputs := normedNetwork(g, n, conv)
	vars := engine.Vars{}
	for i, p := range g.Params() {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = tensor.Of(fill(name, all.Params()[i].Shape()).F32[:p.Shape().Size()], p.Shape()...)
	}
	if fused {
		outputs = outputs[:1]
	}
	prog, err := compile(g, outputs, vars, engine.Options{Precision: engine.BF16}, Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range prog.Profile() {
		found = found || strings.HasSuffix(s.Algorithm, ", group norm")
	}
	if want := fused && gemm.BF16.TakesNorm(1, 160, false); found != want {
		t.Errorf("fused: %v, want %v", found, want)
	}
	if err := prog.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(3, func() { prog.Run(context.Background()) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	return prog.Output(0).F32
}
