// Package enginetest holds engines to their definition: every operation and its
// gradient against float64, in odd shapes, and what weights and programs promise.
package enginetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Options say what is asked of an engine.
type Options struct {
	// F32 and BF16 are the tolerances of each precision; zero: 3e-5 for values and 2e-4
	// for gradients, 2e-2 and 5e-2 in bfloat16.
	F32, BF16 Tolerance
	// Lacks are operations that the engine does not have, as "Resize". Networks of them
	// are left out, and the test says so.
	Lacks []string
	// Wants chooses the networks that are computed, for engines that compile slowly;
	// nil: all.
	Wants func(n Network) bool
}

// Tolerance bounds errors relative to the largest number of a result, and those of
// derivatives relative to the length of the gradient.
type Tolerance struct{ Value, Gradient float64 }

func (t Tolerance) or(value, gradient float64) Tolerance {
	if t.Value == 0 {
		t.Value = value
	}
	if t.Gradient == 0 {
		t.Gradient = gradient
	}
	return t
}

// Run holds an engine to all of it. It makes one engine.
func Run(t *testing.T, make func() engine.Engine, opt Options) {
	s := &suite{Engine: make(), opt: opt, seen: map[string]bool{}}
	t.Run("operations", s.operations)
	t.Run("weights", s.weights)
	t.Run("updates", s.updates)
	t.Run("errors", s.errors)
	t.Run("halves", s.halves)
}

type suite struct {
	engine.Engine
	opt  Options
	seen map[string]bool
}

// operations holds every operation against Evaluate, and every gradient against finite
// differences of it along a random direction.
func (s *suite) operations(t *testing.T) {
	for _, n := range Networks() {
		if s.opt.Wants != nil && !s.opt.Wants(n) {
			continue
		}
		o := Objective(n)
		if op := s.lacking(o.Graph); op != "" {
			t.Logf("%s: left out, as the engine has no %s", n.Name, op)
			continue
		}
		for precision, tolerance := range map[engine.Precision]Tolerance{
			engine.F32: s.opt.F32.or(3e-5, 2e-4), engine.BF16: s.opt.BF16.or(2e-2, 5e-2),
		} {
			if testing.Short() && precision == engine.BF16 {
				continue
			}
			t.Run(n.Name+"/"+precision.String(), func(t *testing.T) { s.operation(t, n, o, precision, tolerance) })
		}
	}
	if s.opt.Wants != nil {
		return
	}
	for _, name := range strings.Fields("Input Param Fill Unary UnaryGrad Binary Reduce Broadcast SquaredNorm Reshape Transpose " +
		"Slice Pad Concat MatMul Conv2D Conv2DGradX Conv2DGradW Upsample AvgPool MaxPool MaxPoolGrad GroupNorm GroupNormGrad " +
		"LayerNorm LayerNormGrad Attention AttentionGrad GEGLU GEGLUGrad Softmax SoftmaxGrad Embedding EmbeddingGrad " +
		"TimestepEmbedding Resize Nearest Detach MatchTokens MergeTokens UnmergeTokens") {
		if !s.seen[name] && !slices.Contains(s.opt.Lacks, name) {
			t.Errorf("no network uses %s", name)
		}
	}
}

// lacking is an operation of the graph that the engine does not have, or "".
func (s *suite) lacking(g *graph.Graph) string {
	for _, n := range g.Nodes() {
		name := strings.TrimPrefix(fmt.Sprintf("%T", n.Op), "graph.")
		if slices.Contains(s.opt.Lacks, name) {
			return name
		}
		s.seen[name] = true
	}
	return ""
}

func (s *suite) operation(t *testing.T, n Network, o Goal, precision engine.Precision, tolerance Tolerance) {
	vars, inputs := o.Draw(n)
	w := s.load(t, vars)
	defer w.Close()
	outputs := append([]graph.Value{o.Y, o.Loss}, o.Grads...)
	if n.Flat {
		outputs = outputs[:1]
	}
	want := Evaluate(o.Y, inputs)
	got := s.run(t, o.Graph, outputs, w, n, precision)
	if e := RelErr(got[0].F32, want); !(e < tolerance.Value) {
		t.Errorf("value: error %g", e)
	}
	if n.Flat {
		return
	}
	if alone := s.run(t, o.Graph, outputs[:1], w, n, precision); !(RelErr(alone[0].F32, want) < tolerance.Value) { // more may be fused
		t.Errorf("value alone: error %g", RelErr(alone[0].F32, want))
	}
	for i, p := range o.Params {
		name := p.Node.Op.(graph.Param).Name
		along, want := o.difference(inputs, name, Floats(Fill("direction "+name, p.Shape()).F32))
		var slope, size float64
		for j, d := range got[2+i].F32 {
			slope += float64(d) * along[j]
			size += float64(d) * float64(d)
		}
		if !(math.Abs(slope-want) <= tolerance.Gradient*max(math.Sqrt(size), math.Abs(want), 1e-2)) {
			t.Errorf("gradient of %s along a direction: %g, want %g", name, slope, want)
		}
	}
}

// load makes weights of vars.
func (s *suite) load(t *testing.T, vars engine.Vars) engine.Weights {
	t.Helper()
	w, err := s.Load(vars, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run computes outputs of a network once.
func (s *suite) run(t *testing.T, g *graph.Graph, outputs []graph.Value, w engine.Weights, n Network, precision engine.Precision) []*tensor.Tensor {
	t.Helper()
	p, err := s.Compile(g, outputs, w, engine.Options{Precision: precision})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if weight := p.Input("weight"); weight != nil {
		copy(weight.F32, Fill("weight", weight.Shape).F32)
	}
	for name, ids := range n.IDs {
		copy(p.Input(name).I32, ids)
	}
	return results(t, p, len(outputs))
}

// results runs a program.
func results(t *testing.T, p engine.Program, n int) []*tensor.Tensor {
	t.Helper()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := make([]*tensor.Tensor, n)
	for i := range out {
		out[i] = p.Output(i).Clone()
	}
	return out
}
