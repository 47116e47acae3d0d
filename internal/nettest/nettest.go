// Package nettest computes graphs once, and layers in float64 as their
// definitions read, for the tests of networks.
package nettest

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Random is a tensor of normal numbers that depend on the seed.
func Random(seed uint64, shape ...int) *tensor.Tensor {
	x := tensor.New(shape...)
	tensor.NewStream(seed).Normal(x.F32)
	return x
}

// Weights are weights without zeros of what a builder declared.
func Weights(b nn.Builder) engine.Vars {
	vars := engine.Vars{}
	for _, s := range b.Params() {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	return vars
}

// Compute runs a graph once.
func Compute(t testing.TB, g *graph.Graph, vars engine.Vars, inputs map[string]*tensor.Tensor, outputs ...graph.Value) []*tensor.Tensor {
	t.Helper()
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, outputs, vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	for name, x := range inputs {
		copy(prog.Input(name).F32, x.F32)
		copy(prog.Input(name).I32, x.I32)
	}
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out []*tensor.Tensor
	for i := range outputs {
		out = append(out, prog.Output(i).Clone())
	}
	return out
}

// Near wants two arrays equal but for rounding.
func Near(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if e := golden.RelErr(got, want); !(e < golden.Forward) {
		t.Errorf("%s: error %g", what, e)
	}
}
