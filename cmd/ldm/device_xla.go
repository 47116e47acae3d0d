//go:build xla

package main

import (
	"fmt"
	"io"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla"
)

// opened is told of engines; tests set it.
var opened = func(*xla.Engine) {}

// openDevice is an engine through XLA.
func openDevice(device string) (engine.Engine, error) {
	e, err := xla.Open(device, xla.Options{Log: status})
	if err != nil {
		return nil, err
	}
	status("computing on " + e.String())
	opened(e)
	return e, nil
}

// describeDevice opens a device's plugin.
func describeDevice(w io.Writer, device string) error {
	e, err := xla.Open(device, xla.Options{Cache: "off"})
	if err != nil {
		return err
	}
	defer e.Close()
	for _, line := range e.Describe() {
		fmt.Fprintln(w, line)
	}
	return nil
}

// listPlugins lists those on this machine.
func listPlugins(w io.Writer) error {
	for _, f := range xla.Find() {
		fmt.Fprintf(w, "%-5s %s\n", f.Kind, f.Path)
	}
	return nil
}
