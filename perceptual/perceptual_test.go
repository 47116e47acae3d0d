package perceptual

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// TestDistance: equal pictures are at 0, worse noise is farther, and embeddings
// give the same distances.
func TestDistance(t *testing.T) {
	const size = 64
	g := graph.New()
	x, y := g.Input("x", 2, size, size, 3), g.Input("y", 2, size, size, 3)
	vars := engine.Vars{}
	if err := Vars(vars); err != nil {
		t.Fatal(err)
	}
	prog, err := cpu.New().Compile(g, []graph.Value{Distances(g, x, y), Embedding(g, x), Embedding(g, y)}, vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tensor.NewStream(1).Uniform(prog.Input("x").F32, -1, 1)
	distances := func(noise float32) (d, e float64) {
		n := make([]float32, len(prog.Input("y").F32))
		tensor.NewStream(2).Normal(n)
		for i, v := range prog.Input("x").F32 {
			prog.Input("y").F32[i] = v + noise*n[i]
		}
		if err := prog.Run(); err != nil {
			t.Fatal(err)
		}
		a, b := prog.Output(1).Row(0).F32, prog.Output(2).Row(0).F32
		for i, v := range a {
			e += float64(v-b[i]) * float64(v-b[i])
		}
		return float64(prog.Output(0).F32[0]), e
	}
	same, _ := distances(0)
	near, nearE := distances(.1)
	far, _ := distances(.5)
	if same != 0 || !(near > 0) || !(far > near) || math.Abs(near-nearE) > 1e-4*near {
		t.Errorf("distances %g, %g (%g by embeddings), %g", same, near, nearE, far)
	}
}
