package enginetest

import (
	"maps"
	"math"
	"slices"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Goal is a network with a sum of its result, weighted so that every element matters,
// and the gradients of that to all parameters.
type Goal struct {
	*graph.Graph
	Y, Loss       graph.Value
	Params, Grads []graph.Value

	known map[string]float64 // differences, which all precisions are held to
}

// Objective builds a network's goal. The weights of the sum are the input "weight".
func Objective(n Network) Goal {
	g := graph.New()
	o := Goal{Graph: g, Y: n.Build(g), known: map[string]float64{}}
	o.Params = g.Params()
	if !n.Flat {
		o.Loss = g.ReduceAll(graph.ReduceSum, g.Mul(o.Y, g.Input("weight", o.Y.Shape()...)))
		o.Grads = g.Gradients(o.Loss, o.Params)
	}
	return o
}

// Draw makes parameters, and the numbers of all inputs for Evaluate.
func (o Goal) Draw(n Network) (engine.Vars, map[string][]float64) {
	vars, inputs := engine.Vars{}, map[string][]float64{}
	for _, p := range o.Params {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = Fill(name, p.Shape())
		inputs[name] = Floats(vars[name].F32)
	}
	inputs["weight"] = Floats(Fill("weight", o.Y.Shape()).F32)
	for name, ids := range n.IDs {
		for _, id := range ids {
			inputs[name] = append(inputs[name], float64(id))
		}
	}
	return vars, inputs
}

// difference is the derivative of the loss along a direction of one parameter, by finite
// differences in float64.
func (o Goal) difference(inputs map[string][]float64, name string, along []float64) ([]float64, float64) {
	if d, ok := o.known[name]; ok {
		return along, d
	}
	const h = 1e-5
	at := func(step float64) float64 {
		moved := maps.Clone(inputs)
		moved[name] = slices.Clone(inputs[name])
		for i, d := range along {
			moved[name][i] += step * d
		}
		return Evaluate(o.Loss, moved)[0]
	}
	o.known[name] = (at(h) - at(-h)) / (2 * h)
	return along, o.known[name]
}

// Fill is a tensor of normal numbers that depend on the key and the size.
func Fill(key string, shape graph.Shape) *tensor.Tensor {
	t := tensor.New(shape...)
	seed := uint64(0)
	for _, r := range key {
		seed = seed*131 + uint64(r)
	}
	tensor.NewStream(seed, uint64(shape.Size())).Normal(t.F32)
	return t
}

// Floats widens numbers.
func Floats(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// RelErr is the largest difference, relative to the largest number wanted.
func RelErr(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var worst, scale float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(w))
	}
	return worst / max(scale, 1e-6)
}
