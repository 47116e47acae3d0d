package cpu

import (
	"errors"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// TestMaxBytes: a program that needs more than it may take is refused.
func TestMaxBytes(t *testing.T) {
	e := New(Options{})
	w, err := e.Load(engine.Vars{"w": tensor.New(256, 256)}, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	compile := func(limit int64) error {
		g := graph.New()
		y := g.Unary(graph.ReLU, g.Linear(g.Input("x", 512, 256), g.Param("w", 256, 256), graph.Value{}))
		p, err := e.Compile(g, []graph.Value{y}, w, engine.Options{MaxBytes: limit})
		if err == nil {
			p.Close()
		}
		return err
	}
	if err := compile(1 << 20); !errors.Is(err, fault.Memory) {
		t.Errorf("in 1 MiB: %v", err)
	}
	if err := compile(1 << 22); err != nil {
		t.Errorf("in 4 MiB: %v", err)
	}
}
