package cpu

import (
	"context"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
)

// TestFuseFeedForward: with all gradients, feed-forwards of tiles are one step and their
// gradients another; results are those of the steps apart, and the same bits on any
// number of threads.
func TestFuseFeedForward(t *testing.T) {
	g, y, _, params, grads := objective(enginetest.Network{Build: enginetest.FeedForwards})
	vars := engine.Vars{}
	for _, p := range params {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = fill(name, p.Shape())
	}
	run := func(outputs []graph.Value, opt engine.Options, threads int) (got [][]float32, steps int) {
		prog, err := compile(g, outputs, vars, opt, Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		defer prog.Close()
		if in := prog.Input("weight"); in != nil {
			copy(in.F32, fill("weight", y.Shape()).F32)
		}
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, s := range prog.Profile() {
			if s.Op == "FeedForward" || s.Op == "FeedForwardGrad" {
				steps++
			}
		}
		for i := range outputs {
			got = append(got, slices.Clone(prog.Output(i).F32))
		}
		return got, steps
	}
	all := append([]graph.Value{y}, grads...)
	want, steps := run(all, engine.Options{Exact: true}, 1)
	if steps != 0 {
		t.Errorf("%d steps of feed-forwards in exact products", steps)
	}
	if _, steps := run(all[:1], engine.Options{}, 1); steps != 0 {
		t.Errorf("%d steps of feed-forwards without gradients", steps)
	}
	tiles := 0
	if (gemm.MatMul{M: 32, K: 160, N: 40}).Tiled(gemm.F32) {
		tiles = 4
	}
	one, steps := run(all, engine.Options{}, 1)
	three, _ := run(all, engine.Options{}, 3)
	if steps != tiles {
		t.Errorf("%d steps of feed-forwards, want %d", steps, tiles)
	}
	for i := range want {
		if e := relErr(one[i], floats64(want[i])); !(e <= 3e-5) {
			t.Errorf("output %d: error %g", i, e)
		}
		if !slices.Equal(one[i], three[i]) {
			t.Errorf("output %d differs on three threads", i)
		}
	}
	// A part of the gradients leaves products of their own.
	part, steps := run([]graph.Value{y, grads[0]}, engine.Options{}, 2)
	if e := relErr(part[1], floats64(want[1])); !(e <= 3e-5) || steps != 0 {
		t.Errorf("of x alone: error %g, %d steps of feed-forwards", e, steps)
	}
}
