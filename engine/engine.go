// Package engine is the interface between graphs and what computes them.
package engine

import (
	"fmt"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Precision says how an executable may compute the float32 operations of a graph.
type Precision uint8

// F32 computes products in float32, by any algorithm whose error is of that
// order: with Winograd's or with split bfloat16 products, up to 2e-5 of the largest
// result (see Options.Exact). BF16 rounds the operands of products to bfloat16, but
// for sums of few terms; sums, normalisation, softmax and weights stay float32.
const (
	F32 Precision = iota
	BF16
)

func (p Precision) String() string { return [...]string{"f32", "bf16"}[p] }

// ParsePrecision reads "f32" or "bf16".
func ParsePrecision(s string) (Precision, error) {
	for _, p := range []Precision{F32, BF16} {
		if s == p.String() {
			return p, nil
		}
	}
	return F32, fmt.Errorf("precision %q: want f32 or bf16", s)
}

// UnmarshalText reads a precision in configurations and flags.
func (p *Precision) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePrecision(string(b))
	return err
}

// MarshalText writes a precision in configurations.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Vars are the parameters of one or several programs by name. Programs read
// and update them in place, so that programs compiled over the same Vars share
// weights.
type Vars map[string]*tensor.Tensor

// Options of a compilation.
type Options struct {
	Precision Precision
	Threads   int // < 1: one for every processor
	// Exact turns off what changes the order of float32 sums for speed.
	Exact bool
	// Hold is how packed weights stay in memory: as F16 or BF16 they take half as
	// much and are widened as they are used, where the program can do so.
	Hold tensor.Format
	// Ahead packs the weights in the background from now on: vars may not change.
	Ahead bool
	// Packed, if set, is told of every parameter that was packed: its own memory
	// is not read again until Refresh, so that mapped pages may be dropped.
	Packed func(name string)
}

// Engine turns a graph into a program that computes outputs (and carries out
// the updates among them). Every parameter of the graph must be in vars, with
// its shape.
type Engine interface {
	Compile(g *graph.Graph, outputs []graph.Value, vars Vars, opt Options) (Program, error)
}

// Program is a compiled graph. It may be used by one goroutine at a time.
type Program interface {
	// Input is the memory of an input, to be filled before Run; nil if the
	// program has no such input.
	Input(name string) *tensor.Tensor
	// Run computes the outputs from the inputs. It does not allocate. An index
	// outside an embedding's table is an error.
	Run() error
	// Output is the memory of output i of Compile; it holds until the next Run.
	Output(i int) *tensor.Tensor
	// Refresh tells the program that vars were changed from outside, so that
	// packed weights are made anew at the next Run.
	Refresh()
	// FindNonFinite runs the program up to its first value with a NaN or an
	// infinity and names the layer and operation it comes from ("" if none).
	// Updates are not carried out.
	FindNonFinite() (string, error)
	// PeakBytes is the planned memory: activations, scratch and packed
	// weights, without vars.
	PeakBytes() int64
	// Close gives back threads and memory.
	Close()
}
