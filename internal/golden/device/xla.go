//go:build xla

package device

import (
	"os"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla"
)

// opened is the device of LDM_TEST_DEVICE, opened once: plugins stay loaded.
var opened = sync.OnceValues(func() (*xla.Engine, error) {
	cache := os.Getenv("LDM_XLA_TEST_CACHE")
	if cache == "" { // a test run leaves nothing behind
		cache = "off"
	}
	return xla.Open(os.Getenv("LDM_TEST_DEVICE"), xla.Options{Cache: cache})
})

func named(t testing.TB) engine.Engine {
	if os.Getenv("LDM_TEST_DEVICE") == "" {
		return nil
	}
	e, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	return e
}
