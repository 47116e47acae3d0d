package autoencoder

import (
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Step is a part of an encoder or decoder, which are chains of such. What works
// through a picture by pieces needs to know of each part how far it looks around.
type Step struct {
	Name     string // where it is in the names of parameters
	Up, Down int    // the result's sides are those of what it is given, times Up, by Down
	Reach    int    // how far it looks around, in pixels of the result (or more)
	Global   bool   // it looks at all pixels
	Build    func(b nn.Builder, norm Norm, h graph.Value) graph.Value
}

// Norm adds the group norm whose weights are under b, with SiLU behind it if asked
// for. It is a parameter of Step.Build because a piece of a picture must be
// normalised by the mean and the variance of the whole.
type Norm func(b nn.Builder, x graph.Value, silu bool) graph.Value

// groupNorm is the norm of whole pictures.
func groupNorm(b nn.Builder, x graph.Value, silu bool) graph.Value {
	return nn.GroupNorm(b, x, Eps, silu)
}

// Eps is the epsilon of all group norms of first stages, and Groups their number
// of groups.
const (
	Eps    = 1e-6
	Groups = 32
)

// run adds all steps for whole pictures.
func run(b nn.Builder, steps []Step, h graph.Value) graph.Value {
	for _, s := range steps {
		h = s.Build(b, groupNorm, h)
	}
	return h
}

// chain collects steps.
type chain []Step

func (c *chain) add(name string, s Step) {
	s.Name, s.Up, s.Down = name, max(s.Up, 1), max(s.Down, 1)
	build := s.Build
	s.Build = func(b nn.Builder, norm Norm, h graph.Value) graph.Value { return build(b.In(name), norm, h) }
	*c = append(*c, s)
}

// conv adds a convolution that keeps the size.
func (c *chain) conv(name string, width int, op nn.Conv) {
	c.add(name, Step{Reach: op.Kernel / 2, Build: func(b nn.Builder, _ Norm, h graph.Value) graph.Value {
		return nn.Conv2D(b, h, width, op)
	}})
}

// block adds a residual block.
func (c *chain) block(name string, width int) {
	c.add(name, Step{Reach: 2, Build: func(b nn.Builder, norm Norm, h graph.Value) graph.Value {
		return resnetBlock(b, norm, h, width)
	}})
}

// attention adds attention over all pixels, if the kind of d has any.
func (c *chain) attention(name string, d DDConfig) {
	if d.AttnType != AttnNone {
		c.add(name, Step{Global: true, Build: d.attnBlock})
	}
}
