package xla

import (
	"os"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/enginetest"
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
	opt := enginetest.Options{}
	if testing.Short() {
		n := 0
		opt.Wants = func(enginetest.Network) bool { n++; return n%8 == 0 }
	}
	enginetest.Run(t, func() engine.Engine { return e }, opt)
}
