package train

import (
	"context"
	"fmt"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Objective is one loss with the parameters that it moves and the optimiser
// that moves them. A task is a list of objectives over one set of parameters,
// each carried out once a step, in their order: what a later one computes sees
// what an earlier one has moved.
type Objective struct {
	Name      string                      // before the names of its terms in logs; may be empty
	Build     func(b nn.Builder) Loss     // adds the loss to a graph
	Moves     func(parameter string) bool // which of the declared parameters
	Optimizer Optimizer
	Averaged  bool // its parameters have moving averages (see Loop.EMA)
	Begin     int  // the steps before it begins
	End       int  // it takes part up to this step; 0: to the last
	// Turn tells whether step n is its own, of objectives that take turns, such as
	// those of different shapes; nil: every step is.
	Turn func(n int) bool

	// Fill writes the inputs of the program for a batch, counted from 1. What
	// it writes depends on the seed and the batch alone.
	Fill func(ctx context.Context, p engine.Program, batch int) error
	// Watch is called behind every run of the program with what Loss.Watched holds; may be nil.
	Watch func(p engine.Program, watched func(name string) []float32) error
}

// Loss is what an objective adds to a graph.
type Loss struct {
	Minimized graph.Value   // the scalar whose gradients move the parameters
	Terms     []Term        // logged scalars
	Updates   []graph.Value // carried out with every pass: running statistics
	Watched   []Term        // values of any shape that Objective.Watch reads
}

// Term is a named value of a loss.
type Term struct {
	Name  string
	Value graph.Value
}

// active tells whether the objective takes part in step n, counted from 1.
func (o *Objective) active(n int) bool { return n > o.Begin && (o.End == 0 || n <= o.End) }

// Prefixes of the optimiser's parameters, before the name of the weight.
const (
	firstMoment  = "adam_m."
	secondMoment = "adam_v."
	emaShadow    = "ema."
	accumulated  = "grad."
)

// pass is an objective as it was built: its graph, and what of it is trained.
type pass struct {
	Objective
	g       *graph.Graph
	loss    Loss
	specs   []nn.ParamSpec // all parameters that the graph reads
	weights []nn.ParamSpec // those that the objective moves
	program engine.Program // loss, gradients and, without accumulation, the updates
	update  engine.Program // the updates, where gradients are accumulated
}

// newPass adds an objective's loss to a graph of its own.
func newPass(o Objective) (*pass, error) {
	p := &pass{Objective: o, g: graph.New()}
	b := nn.NewBuilder(p.g)
	p.loss = o.Build(b)
	if err := p.g.Err(); err != nil {
		return nil, err
	}
	read := map[string]bool{}
	for _, v := range p.g.Params() {
		read[v.Node.Op.(graph.Param).Name] = true
	}
	for _, s := range b.Params() {
		if !read[s.Name] { // checkpoints have it, but nothing reads it
			continue
		}
		p.specs = append(p.specs, s)
		if o.Moves(s.Name) {
			p.weights = append(p.weights, s)
		}
	}
	if len(p.weights) == 0 {
		return nil, fmt.Errorf("objective %q moves no parameter", o.Name)
	}
	return p, nil
}

// outputs lists what the pass computes: the logged terms, the squared norm of
// the gradients, what is watched, and the updates.
// Activations are kept in one segment, or computed again in so many.
func (p *pass) outputs(cfg Loop, segments int) []graph.Value {
	g := p.g
	params := make([]graph.Value, len(p.weights))
	for i, w := range p.weights {
		params[i] = g.Param(w.Name, w.Shape...)
	}
	grads := g.GradientsWithin(segments, p.loss.Minimized, params)
	norm2 := g.SquaredNorm(grads...)
	var out []graph.Value
	for _, t := range p.loss.Terms {
		out = append(out, t.Value)
	}
	out = append(out, norm2)
	for _, t := range p.loss.Watched {
		out = append(out, t.Value)
	}
	out = append(out, p.loss.Updates...)
	if !cfg.separate() {
		return append(out, p.updates(g, cfg, grads, norm2)...)
	}
	share := g.Input("share") // the mean of the batches' gradients so far
	for i, w := range p.weights {
		out = append(out, g.EMA(g.Param(accumulated+w.Name, w.Shape...), grads[i], share, norm2))
	}
	return out
}

// updates adds one step of the optimiser, and of the moving average, for every
// weight. Scalars fed for every step: "rate", "step", and "decay" of the average.
func (p *pass) updates(g *graph.Graph, cfg Loop, grads []graph.Value, norm2 graph.Value) []graph.Value {
	rate, step := g.Input("rate"), g.Input("step")
	o := p.Optimizer
	op := graph.AdamW{
		Beta1: float32(o.Beta1), Beta2: float32(o.Beta2), Eps: 1e-8,
		Decay: float32(o.WeightDecay), Clip: float32(o.Clip),
	}
	var out []graph.Value
	for i, w := range p.weights {
		m, v := g.Param(firstMoment+w.Name, w.Shape...), g.Param(secondMoment+w.Name, w.Shape...)
		out = append(out, g.AdamW(op, g.Param(w.Name, w.Shape...), m, v, grads[i], rate, step, norm2))
	}
	if cfg.EMA > 0 && p.Averaged {
		decay := g.Input("decay")
		for _, w := range p.weights {
			out = append(out, g.EMA(g.Param(emaShadow+w.Name, w.Shape...), g.Param(w.Name, w.Shape...), decay, norm2))
		}
	}
	return out
}

// updateGraph is the step of the optimiser alone, from accumulated gradients: those on the
// device, or inputs of that name where they are summed with others'.
func (p *pass) updateGraph(cfg Loop) (*graph.Graph, []graph.Value) {
	g := graph.New()
	grads := make([]graph.Value, len(p.weights))
	for i, w := range p.weights {
		if cfg.shared() {
			grads[i] = g.Input(accumulated+w.Name, w.Shape...)
		} else {
			grads[i] = g.Param(accumulated+w.Name, w.Shape...)
		}
	}
	norm2 := g.SquaredNorm(grads...)
	return g, append([]graph.Value{norm2}, p.updates(g, cfg, grads, norm2)...)
}
