package cpu

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

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
	enginetest.Normed(all, 3, conv)
	outputs := enginetest.Normed(g, n, conv)
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
