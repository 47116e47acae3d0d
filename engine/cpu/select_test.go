package cpu

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// TestNearest: the first of the nearest rows, as an int32 output and as the
// index of an embedding; Detach stops the gradient.
func TestNearest(t *testing.T) {
	g := graph.New()
	z, book := g.Param("z", 2, 3, 2), g.Param("book", 4, 2)
	ids := g.Nearest(z, book)
	q := g.Embedding(book, ids)
	loss := g.L2(g.Detach(q), z)
	grads := g.Gradients(loss, []graph.Value{z, book})
	vars := engine.Vars{
		"z":    tensor.Of([]float32{0, 0, 1, .9, .4, .5, 5, 5, -1, 0, .5, .5}, 2, 3, 2),
		"book": tensor.Of([]float32{1, 1, 0, 0, 1, 1, -3, 0}, 4, 2),
	}
	prog, err := compile(g, []graph.Value{ids, q, grads[0], grads[1]}, vars, engine.Options{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := prog.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := prog.Output(0).I32; !slices.Equal(got, []int32{1, 0, 1, 0, 1, 0}) {
		t.Error("indices", got)
	}
	if got := prog.Output(1).F32; !slices.Equal(got[6:], []float32{1, 1, 0, 0, 1, 1}) {
		t.Error("rows", got)
	}
	if got := prog.Output(2).F32[3]; math.Abs(float64(got)-2*-.1/12) > 1e-7 {
		t.Error("gradient", got)
	}
	if got := prog.Output(3).F32; slices.ContainsFunc(got, func(v float32) bool { return v != 0 }) {
		t.Error("the detached rows have a gradient", got)
	}
}

// TestResize: methods against values worked out by hand, and errors.
func TestResize(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} // 3 rows of 5
	for _, c := range []struct {
		method graph.ResizeMethod
		scale  float64
		want   []float32
	}{
		{graph.ResizeNearest, .5, []float32{1, 3}},
		{graph.ResizeBilinear, .5, []float32{4, 6}},
		{graph.ResizeArea, .5, []float32{7, 9}},
		{graph.ResizeNearest, 2, []float32{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
		{graph.ResizeBilinear, 2, []float32{1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5}},
	} {
		g := graph.New()
		y := g.Resize(g.Param("x", 1, 3, 5, 1), c.method, c.scale)
		prog, err := compile(g, []graph.Value{y}, engine.Vars{"x": tensor.Of(x, 1, 3, 5, 1)}, engine.Options{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, w := range c.want {
			if got := prog.Output(0).F32[i]; math.Abs(float64(got-w)) > 1e-6 {
				t.Errorf("%s at %g: pixel %d is %g, want %g", c.method, c.scale, i, got, w)
			}
		}
	}
	for _, bad := range []graph.Resize{{Method: 9, Scale: .5}, {Method: graph.ResizeArea, Scale: 0}, {Method: graph.ResizeArea, Scale: .1}} {
		g := graph.New()
		if g.Resize(g.Param("x", 1, 3, 5, 1), bad.Method, bad.Scale); g.Err() == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
