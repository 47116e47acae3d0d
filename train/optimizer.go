package train

import (
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Prefixes of the optimiser's parameters, before the name of the weight.
const (
	firstMoment  = "adam_m."
	secondMoment = "adam_v."
	emaShadow    = "ema."
)

// addUpdates appends to the graph the gradients of loss and one step of AdamW
// (and EMA) for every weight. It returns the squared norm of the gradients
// first, then the updates, all to be outputs of the program.
//
// Scalars fed for every step: "rate", "step", and "decay" of the EMA.
func addUpdates(g *graph.Graph, loss graph.Value, weights []nn.ParamSpec, cfg Loop) []graph.Value {
	params := make([]graph.Value, len(weights))
	for i, w := range weights {
		params[i] = g.Param(w.Name, w.Shape...)
	}
	grads := g.Gradients(loss, params)
	norm2 := g.SquaredNorm(grads...)
	rate, step := g.Input("rate"), g.Input("step")
	op := graph.AdamW{
		Beta1: float32(cfg.Beta1), Beta2: float32(cfg.Beta2), Eps: 1e-8,
		Decay: float32(cfg.WeightDecay), Clip: float32(cfg.Clip),
	}
	out := []graph.Value{norm2}
	for i, w := range weights {
		m, v := g.Param(firstMoment+w.Name, w.Shape...), g.Param(secondMoment+w.Name, w.Shape...)
		out = append(out, g.AdamW(op, params[i], m, v, grads[i], rate, step, norm2))
	}
	if cfg.EMA > 0 {
		decay := g.Input("decay")
		for i, w := range weights {
			out = append(out, g.EMA(g.Param(emaShadow+w.Name, w.Shape...), params[i], decay, norm2))
		}
	}
	return out
}

// addOptimizerVars adds zero moments and, where an EMA is kept, shadows that
// start as copies of the weights.
func addOptimizerVars(vars engine.Vars, weights []nn.ParamSpec, cfg Loop) {
	for _, w := range weights {
		vars[firstMoment+w.Name] = tensor.New(w.Shape...)
		vars[secondMoment+w.Name] = tensor.New(w.Shape...)
		if cfg.EMA > 0 {
			vars[emaShadow+w.Name] = vars[w.Name].Clone()
		}
	}
}

// rate is the learning rate of step n, counted from 1.
func (l Loop) rate(n int) float64 {
	if l.Scheduler.Target != "" {
		multiplier, err := newScheduler(l.Scheduler)
		if err != nil { // validate has seen to it
			return 0
		}
		return l.LearningRate * multiplier(n-1)
	}
	if n <= l.Warmup {
		return l.LearningRate * float64(n) / float64(l.Warmup)
	}
	left := float64(l.Steps-n) / float64(max(l.Steps-l.Warmup, 1))
	switch l.Schedule {
	case "linear":
		return l.LearningRate * left
	case "cosine":
		return l.LearningRate * (1 - math.Cos(math.Pi*left)) / 2
	}
	return l.LearningRate
}

// decay is the EMA's decay at update n, counted from 1: the reference's LitEma.
func (l Loop) decay(n int) float64 {
	return min(l.EMA, (1+float64(n))/(10+float64(n)))
}
