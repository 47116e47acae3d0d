package train

import (
	"context"
	"math"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// build is algorithm 1's loss: the student at the timestep t, against the average of
// the students before at the timestep u, to which the guided teacher went by a step of
// DDIM. The inputs beside "x" and "condition" are numbers of each example.
func (t *distillation) build(b nn.Builder) Loss {
	g, n := b.G, t.cfg.Train.BatchSize
	h, w, c := t.latents.shape()
	x := g.Input("x", n, h, w, c)
	from, to := timestepOf(g, "t", n), timestepOf(g, "u", n)
	rows := n
	if t.guided() {
		rows = 2 * n
	}
	conditions := t.condition.build(b, rows)
	mine := conditions
	if t.guided() {
		mine = []graph.Value{g.Slice(conditions[0], 0, 0, n)}
	}
	var told graph.Value
	if t.net.ToldGuidance() {
		told = g.Input("guidance", n, t.net.UNet.TimeCondProjDim)
	}
	there := t.lead(g, t.ask(b, x, from, rows, conditions), x, from, to)
	goal := t.clean(g, t.say(t.averaged(b), there, to, told, mine), there, to)
	said := t.clean(g, t.say(t.moving(b), x, from, told, mine), x, from)
	loss := t.distance(g, g.Sub(said, g.Detach(goal)))
	return Loss{Minimized: loss, Terms: []Term{{"loss", loss}}}
}

// timestep has the numbers of one: itself [n], and [n, 1, 1, 1] the coefficients of
// the clean latent and of the noise, and those of the boundary condition.
type timestep struct{ t, alpha, sigma, skip, out graph.Value }

// timestepOf declares a timestep's inputs: name, name.alpha and so on.
func timestepOf(g *graph.Graph, name string, n int) timestep {
	of := func(part string) graph.Value { return g.Input(name+"."+part, n, 1, 1, 1) }
	return timestep{g.Input(name, n), of("alpha"), of("sigma"), of("skip"), of("out")}
}

// ask is what the teacher says of x, guided where there is guidance.
func (t *distillation) ask(b nn.Builder, x graph.Value, p timestep, rows int, conditions []graph.Value) graph.Value {
	g, n := b.G, x.Dim(0)
	if t.student.Kind == studentModel {
		b = b.In(prefixTeacher)
	}
	if rows == n {
		return t.teacher.Denoise(b, t.teacher.Place(unet.Inputs{X: x, T: p.t}, conditions...))
	}
	y := t.teacher.Denoise(b, t.teacher.Place(unet.Inputs{X: g.Concat(0, x, x), T: g.Concat(0, p.t, p.t)}, conditions...))
	told, empty := g.Slice(y, 0, 0, n), g.Slice(y, 0, n, n)
	return g.Add(empty, g.Mul(g.Sub(told, empty), g.Input("scale", n, 1, 1, 1)))
}

// say is what a student says.
func (t *distillation) say(b nn.Builder, x graph.Value, p timestep, told graph.Value, conditions []graph.Value) graph.Value {
	return t.net.Denoise(b, t.net.Place(unet.Inputs{X: x, T: p.t, Guidance: told}, conditions...))
}

// moving is the builder of the student that learns.
func (t *distillation) moving(b nn.Builder) nn.Builder { return b.Adapted(t.adapter) }

// averaged is that of the moving average, or of the student itself where none is kept.
func (t *distillation) averaged(b nn.Builder) nn.Builder {
	switch {
	case t.cfg.Train.EMA == 0:
		return t.moving(b)
	case t.student.Kind == studentLoRA:
		return b.Adapted(t.factors.Adapter(emaShadow, false))
	}
	return b.In(emaShadow[:len(emaShadow)-1])
}

// split is the clean latent and the noise that a network's answer y about x means.
func (t *distillation) split(g *graph.Graph, y, x graph.Value, p timestep) (clean, noise graph.Value) {
	switch t.net.Schedule.Parameterization {
	case diffusion.V:
		return g.Sub(g.Mul(x, p.alpha), g.Mul(y, p.sigma)), g.Add(g.Mul(x, p.sigma), g.Mul(y, p.alpha))
	case diffusion.X0:
		return y, g.Div(g.Sub(x, g.Mul(y, p.alpha)), p.sigma)
	}
	return g.Div(g.Sub(x, g.Mul(y, p.sigma)), p.alpha), y
}

// lead is where a step of DDIM leads from one timestep to another.
func (t *distillation) lead(g *graph.Graph, y, x graph.Value, from, to timestep) graph.Value {
	clean, noise := t.split(g, y, x, from)
	return g.Add(g.Mul(clean, to.alpha), g.Mul(noise, to.sigma))
}

// clean is a consistency model's clean latent: x itself at timestep 0 (equation 9).
func (t *distillation) clean(g *graph.Graph, y, x graph.Value, p timestep) graph.Value {
	clean, _ := t.split(g, y, x, p)
	return g.Add(g.Mul(x, p.skip), g.Mul(clean, p.out))
}

// distance is the mean of √(d² + c²) - c, or of d².
func (t *distillation) distance(g *graph.Graph, d graph.Value) graph.Value {
	if d = g.Unary(graph.Square, d); t.student.Loss == "huber" {
		c := float32(t.student.HuberC)
		d = g.Affine(g.Unary(graph.Sqrt, g.Affine(d, 1, c*c)), 1, -c)
	}
	return g.ReduceAll(graph.ReduceMean, d)
}

// fill writes a batch: latents noised to timesteps of the teacher's grid.
func (t *distillation) fill(ctx context.Context, p engine.Program, batch int) error {
	from, picks := t.batch(batch)
	n, s := len(picks), t.net.Schedule
	for i, pick := range picks {
		number := uint64((batch-1)*n + i)
		e := example{from: from, pick: pick, seed: t.cfg.Train.Seed, at: number}
		h, w, c := from.shape()
		z, noise := make([]float32, h*w*c), make([]float32, h*w*c)
		if err := from.sample(ctx, z, &e.pick, tensor.NewStream(e.seed, drawPosterior, number)); err != nil {
			return err
		}
		for k := range z {
			z[k] *= t.net.ScaleFactor
		}
		draw := tensor.NewStream(e.seed, drawTimestep, number)
		stride := len(s.Betas) / t.student.Grid
		at := (1+draw.IntN(t.student.Grid))*stride - 1
		scale := t.student.Least + draw.Float64()*(t.student.Most-t.student.Least)
		tensor.NewStream(e.seed, drawNoise, number).Normal(noise)
		s.QSample(p.Input("x").Row(i).F32, z, noise, at)
		setPoint(p, "t", i, s, at)
		setPoint(p, "u", i, s, max(at-stride, 0))
		if in := p.Input("scale"); in != nil {
			in.F32[i] = float32(scale)
		}
		if in := p.Input("guidance"); in != nil {
			unet.GuidanceEmbedding(in.Row(i).F32, scale)
		}
		if err := t.condition.fill(ctx, p, i, e); err != nil {
			return err
		}
		if e.dropped = true; t.guided() {
			if err := t.condition.fill(ctx, p, n+i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// setPoint writes the numbers of a timestep.
func setPoint(p engine.Program, name string, i int, s *diffusion.Schedule, t int) {
	bar := s.AlphasCumprod[t]
	skip, out := sampler.Boundary(float64(t))
	for part, v := range map[string]float64{"": float64(t), ".alpha": math.Sqrt(bar), ".sigma": math.Sqrt(1 - bar), ".skip": skip, ".out": out} {
		if in := p.Input(name + part); in != nil { // what the loss does not read is not there
			in.F32[i] = float32(v)
		}
	}
}
