// Package graph describes a computation as a static graph of layer-level
// operations, with shape inference and reverse-mode gradients. It says what is
// computed, never how: an engine turns a graph into an executable.
//
// Values are float32 or int32 arrays of a fixed shape. Pictures are
// channels-last, [N, H, W, C]; weights have the layout of the checkpoints. A
// Graph keeps its first error: builders need no error check after every
// operation, and ask Err once at the end.
package graph

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Shape is the length of every axis, outermost first.
type Shape = tensor.Shape

// DType is the kind of number in a value.
type DType uint8

// Float32 values may be computed in another precision by an engine; Int32
// values hold tokens, labels and indices.
const (
	Float32 DType = iota
	Int32
)

func (d DType) String() string { return [...]string{"float32", "int32"}[d] }

// Type is the number format and shape of a value.
type Type struct {
	DType DType
	Shape Shape
}

// maxSize is more numbers than any array has, and few enough that sums of such sizes in
// bytes are whole numbers still.
const maxSize = 1 << 40

// check refuses shapes whose size cannot be.
func (t Type) check() error {
	n := 1
	for _, d := range t.Shape {
		if d < 0 || d > maxSize/max(n, 1) {
			return fault.Inputf("shape %v is too large", t.Shape)
		}
		n *= d
	}
	return nil
}

func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// Op is one operation. Each is a struct type of this package whose fields are
// its attributes; engines switch on the type.
type Op interface {
	// infer checks the inputs' types and gives the outputs'.
	infer(in []Type) ([]Type, error)
}

// differentiable is an Op with a gradient. dy holds the gradient of each output
// (the zero Value where there is none); the result has one for each input (the
// zero Value where none flows).
type differentiable interface {
	grad(g *Graph, n *Node, dy []Value) []Value
}

// Node is one use of an operation. Nodes are in topological order by ID.
type Node struct {
	ID     int
	Op     Op
	Inputs []Value
	Out    []Type
	Scope  string // the layer it belongs to, for messages and profiles
}

// Name is the layer and the operation, as in "input_blocks.1.0.Conv2D".
func (n *Node) Name() string {
	op := strings.TrimPrefix(fmt.Sprintf("%T", n.Op), "graph.")
	if n.Scope == "" {
		return op
	}
	return n.Scope + "." + op
}

// Output returns output i of the node.
func (n *Node) Output(i int) Value { return Value{n, i} }

// Value is one output of a node. The zero Value stands for "none".
type Value struct {
	Node  *Node
	Index int
}

// Valid is false for the zero Value.
func (v Value) Valid() bool { return v.Node != nil }

// Type is the format and shape of v.
func (v Value) Type() Type {
	if v.Node == nil {
		return Type{}
	}
	return v.Node.Out[v.Index]
}

// Shape is the shape of v, not to be changed.
func (v Value) Shape() Shape { return v.Type().Shape }

// Dim is the length of axis i, counted from the end if negative. It is 0 where
// there is no such axis, so that builders may go on after an error.
func (v Value) Dim(i int) int {
	s := v.Shape()
	if i < 0 {
		i += len(s)
	}
	if i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

// Graph is a list of nodes in topological order.
type Graph struct {
	nodes  []*Node
	leaves map[string]Value
	scope  string
	err    error
}

// New returns an empty graph.
func New() *Graph { return &Graph{leaves: map[string]Value{}} }

// Err is the first error of any operation added so far.
func (g *Graph) Err() error { return g.err }

// Fail records an error of a builder, unless there is one already.
func (g *Graph) Fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("%s: %w", or(g.scope, "graph"), fmt.Errorf(format, args...))
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Nodes lists all nodes; a node comes after its inputs.
func (g *Graph) Nodes() []*Node { return g.nodes }

// SetScope names the layer of the nodes to come and returns the name before.
func (g *Graph) SetScope(scope string) (before string) {
	before, g.scope = g.scope, scope
	return before
}

// add appends a node, unless there was an error before.
func (g *Graph) add(op Op, inputs ...Value) *Node {
	n := &Node{ID: len(g.nodes), Op: op, Inputs: inputs, Scope: g.scope}
	if g.err == nil {
		in := make([]Type, len(inputs))
		for i, v := range inputs {
			if !v.Valid() {
				g.Fail("%T: input %d is missing", op, i)
			}
			in[i] = v.Type()
		}
		if g.err == nil {
			out, err := op.infer(in)
			if err != nil {
				g.Fail("%s: %w", strings.TrimPrefix(fmt.Sprintf("%T", op), "graph."), err)
			}
			for _, t := range out {
				if err := t.check(); err != nil {
					g.Fail("%s: %w", strings.TrimPrefix(fmt.Sprintf("%T", op), "graph."), err)
				}
			}
			n.Out = out
		}
	}
	if g.err != nil {
		n.Out = make([]Type, 3) // enough for any operation's outputs
		return n
	}
	g.nodes = append(g.nodes, n)
	return n
}

// one appends a node and returns its first output.
func (g *Graph) one(op Op, inputs ...Value) Value { return g.add(op, inputs...).Output(0) }

// Input is a value given anew for every run.
type Input struct {
	Name string
	Type Type
}

func (op Input) infer([]Type) ([]Type, error) { return []Type{op.Type}, nil }

// Param is a value that stays between runs: a weight, an optimiser's moment,
// an EMA shadow. Update operations write it in place.
type Param struct {
	Name  string
	Shape Shape
}

func (op Param) infer([]Type) ([]Type, error) { return []Type{{Float32, op.Shape}}, nil }

// Fill is a constant array with every element equal to Value.
type Fill struct {
	Value float32
	Shape Shape
}

func (op Fill) infer([]Type) ([]Type, error) { return []Type{{Float32, op.Shape}}, nil }

// Input returns the float32 input of that name, adding it at its first use.
func (g *Graph) Input(name string, shape ...int) Value {
	return g.leaf("input "+name, Input{name, Type{Float32, shape}})
}

// IntInput returns the int32 input of that name, adding it at its first use.
func (g *Graph) IntInput(name string, shape ...int) Value {
	return g.leaf("input "+name, Input{name, Type{Int32, shape}})
}

// Param returns the parameter of that name, adding it at its first use. Asking
// for one name with two shapes is an error.
func (g *Graph) Param(name string, shape ...int) Value {
	return g.leaf("param "+name, Param{name, shape})
}

// Fill returns a constant.
func (g *Graph) Fill(value float32, shape ...int) Value { return g.one(Fill{value, shape}) }

func (g *Graph) leaf(key string, op Op) Value {
	out, _ := op.infer(nil)
	for _, d := range out[0].Shape {
		if d <= 0 {
			g.Fail("%s: shape %v has an axis without elements", key, out[0].Shape)
		}
	}
	if v, ok := g.leaves[key]; ok {
		if have := v.Type(); have.DType != out[0].DType || !have.Shape.Equal(out[0].Shape) {
			g.Fail("%s is used as %v and as %v", key, have, out[0])
		}
		return v
	}
	v := g.one(op)
	if g.err == nil {
		g.leaves[key] = v
	}
	return v
}

// Params lists the parameters in the order of their first use.
func (g *Graph) Params() []Value {
	var all []Value
	for _, n := range g.nodes {
		if _, ok := n.Op.(Param); ok {
			all = append(all, n.Output(0))
		}
	}
	return all
}
