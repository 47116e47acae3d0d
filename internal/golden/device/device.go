// Package device is what tests compute on.
package device

import (
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
)

// Engine is what the reference's numbers are compared on: the processor's engine or, in
// tests built with the tag xla, the device that LDM_TEST_DEVICE names, as cpu:1.
func Engine(t testing.TB) engine.Engine {
	t.Helper()
	if e := named(t); e != nil {
		return e
	}
	return cpu.New(cpu.Options{})
}
