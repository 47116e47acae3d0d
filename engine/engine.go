// Package engine is the interface between graphs and what computes them: a
// processor, or an accelerator with a memory of its own.
//
// Weights are loaded once and shared by all programs over them. A program is a
// graph compiled for its shapes.
package engine

import (
	"context"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Vars are parameters on the host, by name.
type Vars map[string]*tensor.Tensor

// Engine loads weights and turns graphs into programs.
type Engine interface {
	// Load makes weights of vars, which may lie in a mapped file. The tensors belong to
	// the weights from then on: the caller does not change them, and the engine only
	// where a program updates a parameter.
	Load(vars Vars, opt LoadOptions) (Weights, error)
	// Compile makes a program of a graph that computes outputs and carries out the
	// updates among them. Every parameter of the graph must be in w, with its shape; w
	// may be nil for a graph without parameters. A plan that needs more memory than opt
	// allows is a fault.Memory, before any of it is taken.
	Compile(g *graph.Graph, outputs []graph.Value, w Weights, opt Options) (Program, error)
}

// LoadOptions say how weights are kept.
type LoadOptions struct {
	// Hold is how weights stay in memory: as F16 or BF16 they take half as much and are
	// widened as they are used, where the engine can do so.
	Hold tensor.Format
	// Released, if set, is told of every parameter whose tensor is not read for now,
	// as the engine has a form of its own: pages of a mapped file may be dropped. It
	// may be called from any goroutine.
	Released func(name string)
}

// Options of a compilation.
type Options struct {
	Precision Precision
	// Exact turns off what changes the order of float32 sums for speed.
	Exact bool
	// MaxBytes bounds the memory that the program may add, its own and that of new
	// forms of weights; 0: what the machine has.
	MaxBytes int64
}

// Weights are the parameters of one or several programs on a device. All methods may
// be called from any goroutine, and wait for a program that is running.
type Weights interface {
	// Names lists the parameters, sorted.
	Names() []string
	// Pull returns values as they are now, on the host. The tensors must not be written
	// to, and may be the engine's own memory: those of parameters that a program updates
	// hold until its next Run, others for good. Without names it returns all.
	Pull(names ...string) (Vars, error)
	// Push replaces values, all of them or on an error none; programs see them at
	// their next Run. The tensors belong to the weights from then on, as with Load.
	Push(vars Vars) error
	// Renamed is a view of the same memory in which each name of from stands for the
	// parameter that it is mapped to, such as an averaged weight in place of the trained
	// one; other names stay. The view is closed with what it is a view of.
	Renamed(from map[string]string) (Weights, error)
	// Bytes is the memory that the engine has taken for weights by now, beside the
	// tensors that were given to it.
	Bytes() int64
	// Close frees the memory. Programs are closed before their weights.
	Close()
}

// Program is a compiled graph. It may be used by one goroutine at a time.
type Program interface {
	// Input is the memory of an input, to be filled before Run; nil if the program has
	// no such input.
	Input(name string) *tensor.Tensor
	// Run computes the outputs from the inputs. It allocates nothing but, after a change
	// of the weights, what that takes. An index outside an embedding's table is an error.
	// Cancelled, it returns ctx's error within half a second, with outputs that mean
	// nothing and with no update carried out; a run whose updates have begun goes on to
	// its end.
	Run(ctx context.Context) error
	// Output is the memory of output i of Compile; it holds until the next Run.
	Output(i int) *tensor.Tensor
	// FindNonFinite runs the program up to its first value with a NaN or an infinity
	// and names the layer and operation it comes from ("" if none). Updates are not
	// carried out.
	FindNonFinite() (string, error)
	// PeakBytes is the program's planned memory: inputs, activations and scratch,
	// without weights.
	PeakBytes() int64
	// Close gives back the program's memory, and forms of weights that no other program
	// uses.
	Close()
}

// CompileWith loads vars for one program alone, which are freed with it.
func CompileWith(e Engine, g *graph.Graph, outputs []graph.Value, vars Vars, opt Options) (Program, error) {
	w, err := e.Load(vars, LoadOptions{})
	if err != nil {
		return nil, err
	}
	p, err := e.Compile(g, outputs, w, opt)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &alone{p, w}, nil
}

// alone is a program with weights of its own.
type alone struct {
	Program
	weights Weights
}

func (a *alone) Close() {
	a.Program.Close()
	a.weights.Close()
}
