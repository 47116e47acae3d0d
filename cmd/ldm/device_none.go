//go:build !xla

package main

import (
	"io"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
)

// build is how to get a program that opens plugins.
const build = "this ldm computes on the processor alone; build one with XLA: go build -tags xla ./cmd/ldm"

func openDevice(device string) (engine.Engine, error) {
	return nil, fault.Inputf("--device %s: %s", device, build)
}

func describeDevice(_ io.Writer, device string) error {
	return fault.Inputf("%s: %s", device, build)
}

func listPlugins(io.Writer) error {
	status(build)
	return nil
}
