//go:build !xla

package device

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
)

func named(testing.TB) engine.Engine { return nil }
