package features

import (
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
)

// TestCLIPGolden holds CLIP's encoder of pictures against transformers'.
func TestCLIPGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "networks/clip") {
		path := filepath.Join(t.TempDir(), "clip.safetensors")
		if err := checkpoint.Save(path, c.Weights(t), nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		f, err := checkpoint.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n := named{f, ""}
		v, err := clipStructure(n, true)
		if err != nil {
			t.Fatal(err)
		}
		x := c.Input(t, "x").ToNHWC()
		g := graph.New()
		b := nn.NewBuilder(g)
		y := v.build(b, g.Input("x", x.Shape...))
		vars := engine.Vars{}
		for _, p := range b.Params() {
			if vars[p.Name], err = n.clip(p, true); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range golden.Modes {
			prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, []graph.Value{y}, vars, m.Options)
			if err != nil {
				t.Fatal(err)
			}
			copy(prog.Input("x").F32, x.F32)
			if err := prog.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e := golden.RelErr(prog.Output(0).F32, c.Output(t, "image").F32); !(e < m.Tolerance) {
				t.Errorf("in %s: error %g", m.Name, e)
			} else {
				t.Logf("in %s: error %.2g", m.Name, e)
			}
			prog.Close()
		}
	}
}
