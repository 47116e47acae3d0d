package xla

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// open starts the processor's plugin with so many devices, once for each test binary:
// plugins stay loaded. Where there is none the test is skipped.
func open(t testing.TB, device string) *Engine {
	t.Helper()
	e, err := opened(device)
	if err != nil {
		if _, lacking := (Device{Kind: "cpu"}).locate(); lacking != nil && os.Getenv(PluginVariable) == "" {
			t.Skipf("no plugin for the processor: %v", err)
		}
		t.Fatal(err)
	}
	return e
}

var engines sync.Map

func opened(device string) (*Engine, error) {
	if e, ok := engines.Load(device); ok {
		return e.(*Engine), nil
	}
	e, err := Open(device, Options{Cache: os.Getenv("LDM_XLA_TEST_CACHE")})
	if err == nil {
		engines.Store(device, e)
	}
	return e, err
}

func TestMain(m *testing.M) {
	if os.Getenv("LDM_XLA_TEST_CACHE") == "" { // a test run leaves nothing behind
		os.Setenv("LDM_XLA_TEST_CACHE", "off")
	}
	os.Exit(m.Run())
}

func TestEngine(t *testing.T) {
	e := open(t, "cpu")
	opt := enginetest.Options{Lacks: []string{"MatchTokens", "MergeTokens", "UnmergeTokens"}}
	if testing.Short() {
		n := 0
		opt.Wants = func(enginetest.Network) bool { n++; return n%8 == 0 }
	}
	enginetest.Run(t, func() engine.Engine { return e }, opt)
}

// TestAttentionInBlocks: with but a few scores at a time attention and its gradient are
// what they are at once.
func TestAttentionInBlocks(t *testing.T) {
	e := *open(t, "cpu")
	e.scores = 1000
	looped := 0
	for _, n := range enginetest.Networks() {
		if !strings.HasPrefix(n.Name, "Attention") {
			continue
		}
		o := enginetest.Objective(n)
		outputs := append([]graph.Value{o.Y, o.Loss}, o.Grads...)
		vars, inputs := o.Draw(n)
		w, err := e.Load(vars, engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		var results [2][]*tensor.Tensor
		for i, scores := range []int{0, 1000} {
			e.scores = scores
			p, err := e.Compile(o.Graph, outputs, w, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			looped += strings.Count(p.(*program).code.Text, "stablehlo.while")
			copy(p.Input("weight").F32, enginetest.Fill("weight", o.Y.Shape()).F32)
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for k := range outputs {
				results[i] = append(results[i], p.Output(k).Clone())
			}
		}
		if e := enginetest.RelErr(results[1][0].F32, enginetest.Evaluate(o.Y, inputs)); !(e < 3e-5) {
			t.Errorf("%s: error %g", n.Name, e)
		}
		for k, at := range results[0] {
			if e := enginetest.RelErr(results[1][k].F32, enginetest.Floats(at.F32)); !(e < 2e-5) {
				t.Errorf("%s: result %d differs by %g", n.Name, k, e)
			}
		}
	}
	if looped < 8 {
		t.Errorf("%d loops, want two for each layer but the smallest", looped)
	}
}
