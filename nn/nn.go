// Package nn builds layers with named parameters.
//
// A network is a function that adds operations to a graph and declares its
// parameters on the way, under the names of the reference's checkpoints. A
// Builder carries the graph and the prefix of the names.
package nn

import (
	"github.com/ldm-go/ldm/graph"
)

// ParamSpec is a declared parameter.
type ParamSpec struct {
	Name  string
	Shape graph.Shape
	Init  Init
}

// Builder adds a network's layers to a graph.
type Builder struct {
	G      *graph.Graph
	prefix string
	params *params
	adapt  Adapter // around layers; none: nil
}

type params struct {
	list []ParamSpec
	seen map[string]bool
}

// NewBuilder returns a builder at the root of the names.
func NewBuilder(g *graph.Graph) Builder {
	return Builder{G: g, params: &params{seen: map[string]bool{}}}
}

// In returns the builder for the part called name: its parameters are
// prefix.name.*, and errors and profiles call its operations so.
func (b Builder) In(name string) Builder {
	b.prefix = join(b.prefix, name)
	return b
}

func join(prefix, name string) string {
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

// Prefix is the builder's place in the names.
func (b Builder) Prefix() string { return b.prefix }

// Params lists what has been declared under the same root, in order.
func (b Builder) Params() []ParamSpec { return b.params.list }

// Declare notes a parameter that checkpoints have, though no operation reads it.
func (b Builder) Declare(name string, init Init, shape ...int) {
	name = join(b.prefix, name)
	if !b.params.seen[name] {
		b.params.seen[name] = true
		b.params.list = append(b.params.list, ParamSpec{name, shape, init})
	}
}

// Param declares a parameter and returns its value.
func (b Builder) Param(name string, init Init, shape ...int) graph.Value {
	b.Declare(name, init, shape...)
	return b.G.Param(join(b.prefix, name), shape...)
}

// scope sets the layer's name for the operations that f adds.
func (b Builder) scope(f func() graph.Value) graph.Value {
	before := b.G.SetScope(b.prefix)
	defer b.G.SetScope(before)
	return f()
}

// Linear is x·wᵀ + bias for x [..., K]: weight [out, K], bias [out].
func Linear(b Builder, x graph.Value, out int) graph.Value {
	in := x.Dim(-1)
	return b.scope(func() graph.Value {
		y := b.G.Linear(x, b.Param("weight", Uniform(in), out, in), b.Param("bias", Uniform(in), out))
		return b.adapted(Layer{Weight: graph.Shape{out, in}, X: x, Y: y, Linear: true})
	})
}

// LinearNoBias is x·wᵀ.
func LinearNoBias(b Builder, x graph.Value, out int) graph.Value {
	in := x.Dim(-1)
	return b.scope(func() graph.Value {
		y := b.G.Linear(x, b.Param("weight", Uniform(in), out, in), graph.Value{})
		return b.adapted(Layer{Weight: graph.Shape{out, in}, X: x, Y: y, Linear: true})
	})
}

// Conv is the geometry of a convolution.
type Conv struct {
	Kernel int
	Zero   bool // initialised with zeros
	Init   Init // of the weight; none: Uniform
	NoBias bool
	graph.Conv2D
}

// Conv3 is the 3x3 convolution that keeps the size.
var Conv3 = Conv{Kernel: 3, Conv2D: graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}}

// Conv1 is the 1x1 convolution.
var Conv1 = Conv{Kernel: 1, Conv2D: graph.Conv2D{Stride: 1}}

// Zeroed is the same convolution, initialised with zeros.
func (c Conv) Zeroed() Conv {
	c.Zero = true
	return c
}

// Conv2D convolves x [N, H, W, C]: weight [out, C, K, K], bias [out].
func Conv2D(b Builder, x graph.Value, out int, c Conv) graph.Value {
	in := x.Dim(3)
	init := Uniform(in * c.Kernel * c.Kernel)
	if c.Zero {
		init = Zeros
	}
	weight := init
	if c.Init != nil {
		weight = c.Init
	}
	return b.scope(func() graph.Value {
		w := b.Param("weight", weight, out, in, c.Kernel, c.Kernel)
		var bias graph.Value
		if !c.NoBias {
			bias = b.Param("bias", init, out)
		}
		return b.adapted(Layer{Weight: w.Shape(), X: x, Y: b.G.Conv2D(x, w, bias, c.Conv2D), Conv: c.Conv2D})
	})
}

// Linear1 is a 1x1 convolution over tokens x [N, T, C], whose weight has shape
// [out, C, 1] (Conv1d) or [out, C, 1, 1] (Conv2d) for axes 1 or 2, and [out, C] for 0.
func Linear1(b Builder, x graph.Value, out, axes int, zero bool) graph.Value {
	in := x.Dim(-1)
	init := Uniform(in)
	if zero {
		init = Zeros
	}
	shape := []int{out, in, 1, 1}[:2+axes]
	return b.scope(func() graph.Value {
		w := b.G.Reshape(b.Param("weight", init, shape...), out, in)
		y := b.G.Linear(x, w, b.Param("bias", init, out))
		return b.adapted(Layer{Weight: shape, X: x, Y: y, Linear: true})
	})
}

// GroupNorm normalises 32 groups of channels, with SiLU behind it if asked for.
func GroupNorm(b Builder, x graph.Value, eps float32, silu bool) graph.Value {
	c := x.Dim(-1)
	return b.scope(func() graph.Value {
		return b.G.GroupNorm(x, b.Param("weight", Ones, c), b.Param("bias", Zeros, c), graph.GroupNorm{Groups: 32, Eps: eps, SiLU: silu})
	})
}

// LayerNorm normalises the last axis, with epsilon 1e-5.
func LayerNorm(b Builder, x graph.Value) graph.Value {
	c := x.Dim(-1)
	return b.scope(func() graph.Value {
		return b.G.LayerNorm(x, b.Param("weight", Ones, c), b.Param("bias", Zeros, c), 1e-5)
	})
}

// Embedding looks up ids [...] in weight [rows, width].
func Embedding(b Builder, ids graph.Value, rows, width int) graph.Value {
	return b.scope(func() graph.Value { return b.G.Embedding(b.Param("weight", Normal, rows, width), ids) })
}

// Attend projects q to heads·dim channels, k and v likewise, attends, and
// returns [N, T, heads·dim]; to_q, to_k and to_v have no bias.
func Attend(b Builder, x, context graph.Value, heads, dim int) graph.Value {
	inner := heads * dim
	q := LinearNoBias(b.In("to_q"), x, inner)
	k := LinearNoBias(b.In("to_k"), context, inner)
	v := LinearNoBias(b.In("to_v"), context, inner)
	return b.scope(func() graph.Value {
		return b.G.Attention(q, k, v, graph.Attention{Heads: heads, Scale: InvSqrt(dim)})
	})
}
