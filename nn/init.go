package nn

import (
	"hash/fnv"
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// Init fills a new parameter.
type Init func(s tensor.Stream, x []float32)

// Uniform is PyTorch's default for convolutions and linear layers and their
// biases: U(-1/√fanIn, 1/√fanIn).
func Uniform(fanIn int) Init {
	bound := float32(InvSqrt(fanIn))
	return func(s tensor.Stream, x []float32) { s.Uniform(x, -bound, bound) }
}

// Normal draws from N(0, 1), PyTorch's default for embeddings.
func Normal(s tensor.Stream, x []float32) { s.Normal(x) }

// NormalAround draws from a normal distribution of that mean and deviation.
func NormalAround(mean, deviation float32) Init {
	return func(s tensor.Stream, x []float32) {
		s.Normal(x)
		for i := range x {
			x[i] = mean + deviation*x[i]
		}
	}
}

// Ones fills a parameter with ones.
func Ones(_ tensor.Stream, x []float32) {
	for i := range x {
		x[i] = 1
	}
}

// Zeros leaves a parameter at zero.
func Zeros(tensor.Stream, []float32) {}

// Initialize makes the parameters. Each draws from a stream of its own, named
// by the seed and its name, so that it does not depend on the others.
func Initialize(specs []ParamSpec, seed uint64) engine.Vars {
	vars := engine.Vars{}
	for _, p := range specs {
		t := tensor.New(p.Shape...)
		h := fnv.New64a()
		h.Write([]byte(p.Name))
		p.Init(tensor.NewStream(seed, h.Sum64()), t.F32)
		vars[p.Name] = t
	}
	return vars
}

// InvSqrt is 1/√n.
func InvSqrt(n int) float32 { return float32(1 / math.Sqrt(float64(max(n, 1)))) }

// Constant fills a parameter with one number.
func Constant(v float32) Init {
	return func(_ tensor.Stream, x []float32) {
		for i := range x {
			x[i] = v
		}
	}
}
