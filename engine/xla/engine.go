// Package xla computes graphs through XLA on any device for which there is a PJRT
// plugin: graphics cards, TPUs, and processors.
//
// A graph is written as StableHLO by package lower and compiled by the plugin, which
// package pjrt opens. Weights and the state of training stay on the device: weights.go
// keeps them, and program.go runs a graph over them. cache.go keeps what was compiled
// on disk, plugin.go finds plugins.
package xla

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla/lower"
	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/fault"
)

// Options of an engine.
type Options struct {
	// Cache is the folder of compiled programs: "" for ldm/xla in the user's cache
	// folder, "off" for none.
	Cache string
	// CacheBytes bounds the folder; 0: 2 GiB.
	CacheBytes int64
	// Log is told of what takes long; nil: nothing is.
	Log func(line string)
	// Nodes are the processes whose devices the plugin joins, Node this one's place among
	// them, and Store what they find each other by; 0: this process alone. Programs use the
	// devices of this process.
	Nodes, Node int
	Store       pjrt.Store
}

// Engine computes graphs by a plugin.
type Engine struct {
	client  *pjrt.Client
	devices []pjrt.Device
	env     map[string]any // options of the compiler
	cache   *cache
	log     func(string)
	scores  int                                   // see lower.Options; set by tests
	runs    *struct{ shared, whole atomic.Int64 } // see Runs
}

// Open starts the plugin of a device: "cuda", "rocm", "tpu", "cpu", or the path of a
// plugin; ":2" behind it asks for two of its devices, which share every batch. Errors say
// what is missing.
func Open(device string, opt Options) (*Engine, error) {
	d, err := ParseDevice(device)
	if err != nil {
		return nil, err
	}
	client, env, err := d.start(opt)
	if err != nil {
		return nil, err
	}
	if len(client.Devices) < d.Count {
		have := len(client.Devices)
		client.Close()
		return nil, fault.Inputf("device %s: there are %d", device, have)
	}
	e := &Engine{client: client, devices: client.Devices[:d.Count], env: env, log: opt.Log, runs: new(struct{ shared, whole atomic.Int64 })}
	if e.log == nil {
		e.log = func(string) {}
	}
	e.cache = newCache(opt, e.identity())
	return e, nil
}

// identity is all but the program and its options that a compiled program depends on.
func (e *Engine) identity() string {
	c := e.client
	s := fmt.Sprintf("%d.%d %s %s %s %v", c.Major, c.Minor, c.Platform, c.Version, e.devices[0].Kind, c.Attributes())
	return s + " " + fileStamp(c.Path) + " " + processor(c.Platform) + " " + os.Getenv("XLA_FLAGS")
}

// String says what the engine computes on.
func (e *Engine) String() string {
	s := e.client.Platform
	if kind := e.devices[0].Kind; kind != s {
		s += " " + kind
	}
	if n := len(e.devices); n > 1 {
		s = fmt.Sprintf("%d x %s", n, s)
	}
	return s
}

// rounding is how a precision is computed here. XLA's processor takes bfloat16 in some
// products alone.
func (e *Engine) rounding(p engine.Precision) lower.Rounding {
	switch {
	case p == engine.F32:
		return lower.Float32
	case p == engine.TF32:
		return lower.TF32
	case e.client.Platform == "cpu":
		return lower.WideBF16
	}
	return lower.BF16
}

// Devices is the number of devices that share a batch, if it is a multiple of it.
func (e *Engine) Devices() int { return len(e.devices) }

// Runs counts the runs of programs whose batch the devices have shared, and of those that
// each device has done whole.
func (e *Engine) Runs() (shared, whole int64) { return e.runs.shared.Load(), e.runs.whole.Load() }

// Close ends the plugin's work, after all weights and programs are closed.
func (e *Engine) Close() { e.client.Close() }

// lock is a mutex that can be waited for until a context ends.
type lock chan struct{}

func (l lock) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) mustTake() { l <- struct{}{} }
func (l lock) free()     { <-l }

// Load implements engine.Engine. The numbers go to the device with the first program
// that reads them, as its operations tell how they should lie there.
func (e *Engine) Load(vars engine.Vars, opt engine.LoadOptions) (engine.Weights, error) {
	w := e.weights(len(vars))
	w.opt = opt
	for name, t := range vars {
		if t == nil || t.I32 != nil {
			return nil, fault.Inputf("%s: want numbers of float32, float16 or bfloat16", name)
		}
		w.cells[name] = &cell{name: name, shape: t.Shape, host: t}
	}
	return w, nil
}

// Describe lists the plugin and the devices that it has found, a line each.
func (e *Engine) Describe() []string {
	c := e.client
	all := []string{fmt.Sprintf("plugin    %s", c.Path), fmt.Sprintf("version   PJRT %d.%d, %s %s", c.Major, c.Minor, c.Platform, c.Version)}
	for _, d := range c.Devices {
		line := fmt.Sprintf("device %-2d %s", d.ID, d.Kind)
		if limit, used := c.MemoryLimit(d); limit > 0 {
			line += fmt.Sprintf(", %.1f GiB of memory, %.1f in use", float64(limit)/(1<<30), float64(used)/(1<<30))
		}
		all = append(all, line)
	}
	return all
}
