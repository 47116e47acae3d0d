package train

import (
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// denoising is the second stage's objective (equations 2 and 3): how far the
// network is from what it should say of noised latents.
type denoising struct {
	net     *model.Network
	delta   float64 // where Huber's loss turns from squares to absolute values
	h, w    int     // of a latent
	context func(b nn.Builder, n int) []graph.Value
	weighed bool // whole batches count differently: an input "weight"
}

// plain tells whether the loss is the mean over all numbers, no timestep being
// weighed apart.
func (d *denoising) plain() bool {
	p := d.net.Params
	return !p.LearnLogvar && p.LogvarInit == 0 && p.OriginalELBOWeight == 0 && p.LSimpleWeight == 1
}

// build adds the objective for n latents: the inputs are "x", "t", "target" and
// those of the condition; "index" and "elbo" too where timesteps are weighed.
func (d *denoising) build(b nn.Builder, n int) Loss {
	g := b.G
	c := d.net.LatentChannels()
	x := g.Input("x", n, d.h, d.w, c)
	predicted := d.net.Denoise(b, d.net.Place(unet.Inputs{X: x, T: g.Input("t", n)}, d.context(b, n)...))
	target := g.Input("target", n, d.h, d.w, c)
	out := Loss{}
	if d.plain() {
		loss := g.ReduceAll(graph.ReduceMean, d.distance(g, predicted, target))
		out = Loss{Minimized: loss, Terms: []Term{{"loss", loss}}}
	} else {
		out = d.weighted(b, d.distance(g, predicted, target))
	}
	if d.weighed {
		out.Minimized = g.Mul(out.Minimized, g.Input("weight"))
	}
	return out
}

// distance is the elementwise loss; Huber's is PyTorch's huber_loss.
func (d *denoising) distance(g *graph.Graph, predicted, target graph.Value) graph.Value {
	difference := g.Sub(predicted, target)
	switch d.net.Params.LossType {
	case diffusion.L1:
		return g.Unary(graph.Abs, difference)
	case diffusion.Huber: // with c = min(|e|, δ): c·(|e| - c/2)
		far := g.Unary(graph.Abs, difference)
		near := g.Clamp(far, 0, float32(d.delta))
		return g.Mul(near, g.Sub(far, g.Affine(near, .5, 0)))
	}
	return g.Unary(graph.Square, difference)
}

// weighted is the reference's sum: each picture's loss L, with the log-variance
// s of its timestep as L/exp(s) + s, and the variational bound's weighting of L.
func (d *denoising) weighted(b nn.Builder, distance graph.Value) Loss {
	g, p := b.G, d.net.Params
	n := distance.Dim(0)
	mean := func(v graph.Value) graph.Value { return g.ReduceAll(graph.ReduceMean, v) }
	simple := g.Reshape(g.Reduce(graph.ReduceMean, distance, 1, 2, 3), n)
	terms := []Term{{"loss_simple", mean(simple)}}
	logvar := g.Fill(float32(p.LogvarInit), n)
	if p.LearnLogvar {
		steps := len(d.net.Schedule.Betas)
		table := g.Reshape(b.Param(model.NameLogvar, nn.Constant(float32(p.LogvarInit)), steps), steps, 1)
		logvar = g.Reshape(g.Embedding(table, g.IntInput("index", n)), n)
	}
	gamma := g.Add(g.Div(simple, g.Unary(graph.Exp, logvar)), logvar)
	if p.LearnLogvar {
		terms = append(terms, Term{"loss_gamma", mean(gamma)})
	}
	loss := g.Affine(mean(gamma), float32(p.LSimpleWeight), 0)
	if p.OriginalELBOWeight != 0 {
		bound := mean(g.Mul(g.Input("elbo", n), simple))
		terms = append(terms, Term{"loss_vlb", bound})
		loss = g.Add(loss, g.Affine(bound, float32(p.OriginalELBOWeight), 0))
	}
	return Loss{Minimized: loss, Terms: append([]Term{{"loss", loss}}, terms...)}
}

// noiser makes what the network sees of a latent, and what it should say.
type noiser struct {
	schedule *diffusion.Schedule
	times    diffusion.Timesteps
	offset   float64 // deviation of a noise that is one number for a whole channel
	seed     uint64
}

// fill writes place i of a batch: the latent z noised to a random timestep.
func (d noiser) fill(p engine.Program, i int, z []float32, channels int, at uint64) {
	t := d.times.At(tensor.NewStream(d.seed, drawTimestep, at).Float64())
	noise := make([]float32, len(z))
	tensor.NewStream(d.seed, drawNoise, at).Normal(noise)
	if d.offset > 0 {
		shift := make([]float32, channels)
		tensor.NewStream(d.seed, drawOffset, at).Normal(shift)
		addOffset(noise, shift, d.offset)
	}
	d.put(p, i, z, noise, t)
}

// addOffset adds to the noise of every channel one number (Guttenberg, "Diffusion
// with offset noise"): with it a network learns to move a picture's mean.
func addOffset(noise, shift []float32, strength float64) {
	for k := range noise {
		noise[k] += float32(strength) * shift[k%len(shift)]
	}
}

// put writes a latent noised to timestep t by that noise.
func (d noiser) put(p engine.Program, i int, z, noise []float32, t int) {
	p.Input("t").F32[i] = float32(t)
	if index := p.Input("index"); index != nil {
		index.I32[i] = int32(t)
	}
	if elbo := p.Input("elbo"); elbo != nil {
		elbo.F32[i] = float32(d.schedule.LVLBWeights[t])
	}
	d.schedule.QSample(p.Input("x").Row(i).F32, z, noise, t)
	d.schedule.Target(p.Input("target").Row(i).F32, z, noise, t)
}
