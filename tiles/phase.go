package tiles

import (
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// phase is a part of the chain that is computed from one plane to the next.
type phase struct {
	from, to int     // steps
	shapes   []shape // before the first of them and behind each
	window   int     // the side of the tiles, in pixels of what is read; 0: whole

	// Of tiles: the ratio of the result's sides to those of what is read, how far
	// from inner edges it is wrong, and at which multiples tiles may begin.
	up, down, reach int
	unit            int
	norms           []normed
}

// normed is a group norm inside a phase.
type normed struct {
	channels        int
	direct          bool // of what the phase reads
	up, down, reach int  // as of the phase, of what is normalised
}

// newPhase is one by tiles that have a side where sides are largest.
func (r *run) newPhase(shapes []shape, from, to, side int) phase {
	p := phase{from: from, to: to, shapes: shapes[from : to+1], up: 1, down: 1, unit: 1}
	g := graph.New()
	b, in := nn.NewBuilder(g).In(r.Prefix), shapes[from]
	x := g.Input("x", 1, in.h, in.w, in.c)
	first := x
	for _, s := range r.Steps[from:to] {
		before := p
		h := x
		p.scale(s)
		x = s.Build(b, func(nb nn.Builder, v graph.Value, silu bool) graph.Value {
			n := normed{channels: v.Dim(3), direct: v == first, up: p.up, down: p.down, reach: p.reach}
			if v == h {
				n.up, n.down, n.reach = before.up, before.down, before.reach
			}
			p.norms = append(p.norms, n)
			return whole(nb, v, silu)
		}, x)
	}
	p.window = side * p.down / max(p.up, p.down)
	p.window = max(p.window/p.unit, 1) * p.unit
	return p
}

// scale adds a step to what the phase knows of its result.
func (p *phase) scale(s autoencoder.Step) {
	p.reach = (p.reach*s.Up+s.Down-1)/s.Down + s.Reach
	p.up, p.down = p.up*s.Up, p.down*s.Down
	if g := gcd(p.up, p.down); g > 1 {
		p.up, p.down = p.up/g, p.down/g
	}
	p.unit = max(p.unit, p.down)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// margin is how far from inner edges of a window no result is used, in pixels of
// what is read.
func (p phase) margin() int { return (p.reach*p.down+p.up-1)/p.up + p.down - 1 }

// advances tells whether tiles of the window's size get anywhere.
func (p phase) advances() bool {
	s := p.shapes[0]
	stride := (p.window - 2*p.margin()) / p.unit * p.unit
	return (p.window >= s.h || stride > 0) && (p.window >= s.w || stride > 0)
}

// input is the shape of a tile.
func (p phase) input() shape {
	s := p.shapes[0]
	return shape{min(p.window, s.h), min(p.window, s.w), s.c}
}

// whole is the norm of what is not cut.
func whole(b nn.Builder, x graph.Value, silu bool) graph.Value {
	return nn.GroupNorm(b, x, autoencoder.Eps, silu)
}

// final stands for the result of a phase, where a norm's number stands for what it
// normalises.
const final = -1

// norm is that of a tile, by means and inverse deviations of the whole, which are
// inputs of the graph. Behind the norm number last nothing is of use.
func (p phase) norm(g *graph.Graph, last int) autoencoder.Norm {
	i := -1
	return func(b nn.Builder, x graph.Value, silu bool) graph.Value {
		if i++; last != final && i >= last {
			return x
		}
		c := x.Dim(3)
		gamma, beta := b.Param("weight", nn.Ones, c), b.Param("bias", nn.Zeros, c)
		mean, inverse := g.Input(inputName("mean", i), c), g.Input(inputName("inverse", i), c)
		scale := g.Mul(gamma, inverse)
		shift := g.Sub(beta, g.Mul(mean, scale))
		x = g.Add(g.Mul(x, g.Reshape(scale, 1, 1, 1, c)), g.Reshape(shift, 1, 1, 1, c))
		if silu {
			x = g.Unary(graph.SiLU, x)
		}
		return x
	}
}

// build adds steps of the chain for a picture or a tile.
func (r *run) build(g *graph.Graph, s shape, from, to int, norm autoencoder.Norm) graph.Value {
	b, x := nn.NewBuilder(g).In(r.Prefix), g.Input("x", 1, s.h, s.w, s.c)
	for _, step := range r.Steps[from:to] {
		x = step.Build(b, norm, x)
	}
	return x
}

// upTo is what norm number k of a phase normalises, in a tile.
func (r *run) upTo(g *graph.Graph, p phase, k int) graph.Value {
	var found graph.Value
	known, i := p.norm(g, k), -1
	r.build(g, p.input(), p.from, p.to, func(b nn.Builder, x graph.Value, silu bool) graph.Value {
		if i++; i == k {
			found = x
		}
		return known(b, x, silu)
	})
	return found
}

func (r *run) compile(g *graph.Graph, y graph.Value, room int64) (engine.Program, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	opt := r.Options
	opt.MaxBytes = room
	return r.Engine.Compile(g, []graph.Value{y}, r.Weights, opt)
}
