package xla

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// TestShared: two devices share the rows of a batch, as of the two halves of guidance
// or of several callers of a server, an odd number too, and come to one device's results.
func TestShared(t *testing.T) {
	compute := func(device string, rows int) (*tensor.Tensor, *programs.Pool) {
		e := open(t, device)
		w, err := e.Load(engine.Vars{"w": enginetest.Fill("w", graph.Shape{8, 8, 3, 3}), "q": enginetest.Fill("q", graph.Shape{8, 8})}, engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pool := programs.NewPool(programs.Limits{})
		t.Cleanup(func() { pool.Close(); w.Close() })
		cache := programs.NewCache(pool, e, w, engine.Options{}, func(g *graph.Graph, b programs.Batch[int]) []graph.Value {
			h := g.Conv2D(g.Input("x", b.Rows, 4, 4, 8), g.Param("w", 8, 8, 3, 3), graph.Value{}, graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
			q := g.Linear(g.Reshape(h, b.Rows, 16, 8), g.Param("q", 8, 8), graph.Value{})
			return []graph.Value{g.Attention(q, q, q, graph.Attention{Heads: 2, Scale: .5})}
		})
		batcher := programs.NewBatcher(cache, func(int) int { return 8 })
		y, err := batcher.Run(t.Context(), 0, programs.Rows{"x": enginetest.Fill("x", graph.Shape{rows, 4, 4, 8})})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(e.devices); n > 1 {
			shape := programs.Batch[int]{Rows: (rows + n - 1) / n * n}
			err := cache.Use(t.Context(), shape, func(p engine.Program) error {
				for _, in := range p.(*program).code.Inputs {
					if in.Name == "x" && !in.Split {
						t.Errorf("%d rows are not shared out", rows)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return y, pool
	}
	for _, rows := range []int{2, 3} {
		want, _ := compute("cpu", rows)
		got, _ := compute("cpu:2", rows)
		if e := enginetest.RelErr(got.F32, enginetest.Floats(want.F32)); !(e < 1e-6) {
			t.Errorf("%d rows: two devices differ from one by %g", rows, e)
		}
	}
}
