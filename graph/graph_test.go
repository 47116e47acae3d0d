package graph

import (
	"strings"
	"testing"
)

// TestErrors: wrong shapes are errors that name the layer and the shapes, and
// building goes on without a panic.
func TestErrors(t *testing.T) {
	for want, build := range map[string]func(g *Graph){
		"inner axes differ": func(g *Graph) { g.MatMul(g.Param("a", 2, 3), g.Param("b", 4, 5), false, false) },
		"want [n h w c]": func(g *Graph) {
			g.Conv2D(g.Param("x", 1, 4, 4, 3), g.Param("w", 8, 5, 3, 3), Value{}, Conv2D{Stride: 1})
		},
		"smaller than the kernel": func(g *Graph) {
			g.Conv2D(g.Param("x", 1, 2, 2, 3), g.Param("w", 8, 3, 3, 3), Value{}, Conv2D{Stride: 1})
		},
		"cannot be repeated": func(g *Graph) { g.Add(g.Param("a", 2, 3), g.Param("b", 2, 4)) },
		"32 groups": func(g *Graph) {
			g.GroupNorm(g.Param("x", 1, 4, 33), g.Param("g", 33), g.Param("b", 33), GroupNorm{Groups: 32})
		},
		"is used as": func(g *Graph) { g.Add(g.Param("a", 2, 3), g.Param("a", 3, 2)) },
		"heads": func(g *Graph) {
			x := g.Param("x", 1, 4, 10)
			g.Attention(x, x, x, Attention{Heads: 3})
		},
		"input 0 is missing": func(g *Graph) { g.Unary(SiLU, Value{}) },
		"not even":           func(g *Graph) { g.GEGLU(g.Param("x", 2, 3)) },
		"only parameters":    func(g *Graph) { x := g.Input("x"); g.AdamW(AdamW{}, x, x, x, x, x, x, x) },
		"want a scalar":      func(g *Graph) { x := g.Param("x", 2); g.Gradients(x, []Value{x}) },
		"without elements":   func(g *Graph) { g.Param("x", 0, 3) },
		"cannot be cut into": func(g *Graph) { g.Split(g.Param("x", 2, 5), 1, 2) },
		"must be multiples":  func(g *Graph) { g.AvgPool(g.Param("x", 1, 3, 4, 2), 2) },
		"axes [1 0 1] of":    func(g *Graph) { g.Transpose(g.Param("x", 2, 3), 1, 0, 1) },
		"elements 2+2 of":    func(g *Graph) { g.Slice(g.Param("x", 2, 3), 1, 2, 2) },
		"int32":              func(g *Graph) { g.Embedding(g.Param("t", 2, 3), g.Param("i", 4)) },
	} {
		g := New()
		g.SetScope("layer.1")
		build(g)
		y := g.Unary(SiLU, g.Add(Value{}, Value{})) // after an error
		if y.Dim(3) != 0 || g.Err() == nil || !strings.Contains(g.Err().Error(), want) || !strings.Contains(g.Err().Error(), "layer.1") {
			t.Errorf("error %v, want one with %q", g.Err(), want)
		}
	}
}

// TestGradients: a value that the loss does not depend on gets zeros.
func TestGradients(t *testing.T) {
	g := New()
	a, b := g.Param("a", 2, 3), g.Param("b", 4)
	d := g.Gradients(g.L2(a, g.Fill(1, 2, 3)), []Value{a, b})
	if g.Err() != nil || !d[0].Shape().Equal(Shape{2, 3}) {
		t.Fatalf("%v, %v", d, g.Err())
	}
	if op, ok := d[1].Node.Op.(Fill); !ok || op.Value != 0 || !d[1].Shape().Equal(Shape{4}) {
		t.Errorf("gradient of an unused value: %+v", d[1].Node.Op)
	}
	if g.Param("a", 2, 3) != a {
		t.Error("a parameter is there twice")
	}
}
