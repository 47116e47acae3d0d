package nn

import "github.com/ldm-go/ldm/graph"

// Layer is a linear map or a convolution of a network, as an Adapter sees it.
type Layer struct {
	Name   string      // of the module: its weight is Name.weight
	Weight graph.Shape // of its weight
	X, Y   graph.Value // what it reads, and what it says
	Conv   graph.Conv2D
	Linear bool // over the last axis of X, also where the weight is of a 1x1 convolution
}

// Adapter gives what a network goes on with in place of a layer's Y. What it adds to
// the graph is declared through b, which is at the root of the names.
type Adapter func(b Builder, l Layer) graph.Value

// Adapted is the builder of the same network with an adapter around its layers.
func (b Builder) Adapted(a Adapter) Builder {
	b.adapt = a
	return b
}

// Around is the result of a linear map y of x whose parameters have names of their own, for
// the adapter as those of a layer that the builder stands at.
func (b Builder) Around(x, y graph.Value) graph.Value {
	return b.adapted(Layer{Weight: graph.Shape{y.Dim(-1), x.Dim(-1)}, X: x, Y: y, Linear: true})
}

// adapted is the result of a layer that a builder stands at.
func (b Builder) adapted(l Layer) graph.Value {
	if b.adapt == nil {
		return l.Y
	}
	l.Name = b.prefix
	return b.adapt(Builder{G: b.G, params: b.params}, l)
}
