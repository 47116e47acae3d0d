package nettest

import (
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"slices"
	"strings"
	"testing"
)

// CheckEpsilons wants every group norm of a graph to add what want says of its
// layer, over 32 groups, and every layer norm 1e-5.
func CheckEpsilons(t testing.TB, g *graph.Graph, want func(name string) float32) {
	t.Helper()
	count := 0
	for _, n := range g.Nodes() {
		switch op := n.Op.(type) {
		case graph.GroupNorm:
			count++
			if op.Eps != want(n.Scope) || op.Groups != 32 {
				t.Errorf("%s: epsilon %g of %d groups, want %g of 32", n.Scope, op.Eps, op.Groups, want(n.Scope))
			}
		case graph.LayerNorm:
			if op.Eps != 1e-5 {
				t.Errorf("%s: epsilon %g, want 1e-5", n.Scope, op.Eps)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d norms were seen", count)
	}
}

// CheckLit lights pixel (at, at) of 8x8 and wants those of the 4x4 behind the
// convolution to see it.
func CheckLit(t testing.TB, g *graph.Graph, b nn.Builder, first, name string, at int, want []int) {
	t.Helper()
	vars := engine.Vars{}
	for _, s := range b.Params() {
		vars[s.Name] = tensor.New(s.Shape...) // a residual block of zeros is the identity
	}
	w := vars[first+".weight"]
	w.F32[4] = 1 // the middle of the kernel from channel 0 to channel 0
	for i := range 9 {
		vars[name+".weight"].F32[i] = 1
	}
	x := tensor.New(1, 8, 8, w.Shape[1])
	x.F32[(at*8+at)*w.Shape[1]] = 1
	var out graph.Value
	for _, n := range g.Nodes() {
		if _, ok := n.Op.(graph.Conv2D); ok && n.Scope == name {
			out = n.Output(0)
		}
	}
	y := Compute(t, g, vars, map[string]*tensor.Tensor{"x": x}, out)[0]
	var lit []int
	for i := range 16 {
		if y.F32[i*y.Shape[3]] != 0 {
			lit = append(lit, i)
		}
	}
	if !slices.Equal(lit, want) {
		t.Errorf("%s: pixel (%d, %d) is seen from %v, want %v", name, at, at, lit, want)
	}
}

// CheckZeros wants, besides the biases of norms, those parameters to begin as zeros
// whose layer is one of last.
func CheckZeros(t testing.TB, b nn.Builder, last []string) {
	t.Helper()
	vars := nn.Initialize(b.Params(), 1)
	for name, x := range vars {
		layer := strings.TrimSuffix(strings.TrimSuffix(name, "weight"), "bias")
		norm := len(vars[layer+"weight"].Shape) == 1
		want := norm && strings.HasSuffix(name, "bias") ||
			slices.ContainsFunc(last, func(s string) bool { return strings.HasSuffix("."+layer, s) })
		zero := !slices.ContainsFunc(x.F32, func(v float32) bool { return v != 0 })
		if zero != want {
			t.Errorf("%s is zero: %t, want %t", name, zero, want)
		}
	}
}
