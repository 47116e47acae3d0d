package train

import (
	"image"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// What of a first stage is trained.
const (
	tuneAll     = "all"
	tuneDecoder = "decoder" // the encoder, and with it the latent space, stays
)

// objective of a first stage: a graph of pictures "x" and, for KL, "noise".
type reconstruction struct {
	model    autoencoder.Config
	loss     FirstStageLoss
	tune     string
	n        int                                                // pictures of a batch
	shape    image.Point                                        // width and height of its pictures
	distance func(g *graph.Graph, x, y graph.Value) graph.Value // perceptual, [N]
	called   string                                             // the distance's name in logs
}

// autoencode adds the way of a batch through the first stage: the pictures, what
// the decoder makes of them, and the regulariser with its name and weight.
func (r *reconstruction) autoencode(b nn.Builder) (x, y graph.Value, reg penalty) {
	g := b.G
	x = g.Input("x", r.n, r.shape.Y, r.shape.X, r.model.PictureChannels())
	h := r.model.Encode(b, x)
	if r.tune == tuneDecoder {
		h = g.Detach(h)
	}
	if r.model.Kind == autoencoder.VQ {
		quantized, indices := r.model.Quantize(b, h)
		reg = penalty{"codebook", r.loss.Codebook, autoencoder.CodebookLoss(g, h, quantized), []Term{{"z", h}, {"indices", indices}}}
		straight := g.Add(h, g.Detach(g.Sub(quantized, h))) // the gradient goes past the codebook
		return x, r.model.DecodeContinuous(b, straight), reg
	}
	posterior := autoencoder.NewGaussian(g, h)
	latent := r.shape.Div(r.model.Factor())
	z := posterior.Sample(g, g.Input("noise", r.n, latent.Y, latent.X, r.model.EmbedDim))
	reg = penalty{"kl", r.loss.KL, g.ReduceAll(graph.ReduceMean, posterior.KL(g)), nil}
	return x, r.model.Decode(b, z), reg
}

// penalty is what regularises the latent.
type penalty struct {
	name    string
	weight  float64
	value   graph.Value
	watched []Term
}

// errors adds the terms of the reconstruction's error: values with their weights.
func (r *reconstruction) errors(g *graph.Graph, x, y graph.Value) (terms []Term, weights []float64) {
	difference := g.Sub(y, x)
	add := func(name string, weight float64, v graph.Value) {
		terms, weights = append(terms, Term{name, v}), append(weights, weight)
	}
	if r.loss.L1 > 0 {
		add("l1", r.loss.L1, g.ReduceAll(graph.ReduceMean, g.Unary(graph.Abs, difference)))
	}
	if r.loss.L2 > 0 {
		add("l2", r.loss.L2, g.ReduceAll(graph.ReduceMean, g.Unary(graph.Square, difference)))
	}
	if r.loss.Perceptual > 0 {
		add(r.called, r.loss.Perceptual, g.ReduceAll(graph.ReduceMean, r.distance(g, x, y)))
	}
	return terms, weights
}

// build is the objective without a discriminator: the regulariser and the error.
func (r *reconstruction) build(b nn.Builder) Loss {
	g := b.G
	x, y, reg := r.autoencode(b)
	terms, weights := r.errors(g, x, y)
	if !r.loss.Sum {
		total := g.Affine(reg.value, float32(reg.weight), 0)
		for i, t := range terms {
			total = g.Add(total, g.Affine(t.Value, float32(weights[i]), 0))
		}
		return Loss{Minimized: total, Terms: append([]Term{{"loss", total}, {reg.name, reg.value}}, terms...), Watched: reg.watched}
	}
	nll := r.likelihood(g, x, terms, weights)
	total := g.Add(g.Affine(reg.value, float32(reg.weight), 0), nll)
	return Loss{Minimized: total, Terms: append([]Term{{"loss", total}, {reg.name, reg.value}, {"nll", nll}}, terms...), Watched: reg.watched}
}

// likelihood is the weighted error, or with loss.sum the negative logarithm of
// the likelihood of a picture's values with a fixed variance.
func (r *reconstruction) likelihood(g *graph.Graph, x graph.Value, terms []Term, weights []float64) graph.Value {
	var sum graph.Value
	for i, t := range terms {
		v := g.Affine(t.Value, float32(weights[i]), 0)
		if sum.Valid() {
			v = g.Add(sum, v)
		}
		sum = v
	}
	if !r.loss.Sum {
		return sum
	}
	values := float64(x.Shape().Size() / max(r.n, 1))
	return g.Affine(sum, float32(values/exp(r.loss.Logvar)), float32(values*r.loss.Logvar))
}

// moves tells which parameters the reconstruction trains.
func (r *reconstruction) moves(name string) bool {
	if r.tune == tuneDecoder {
		return isUnder(name, "decoder") || isUnder(name, "post_quant_conv")
	}
	for _, part := range []string{"encoder", "decoder", "quant_conv", "post_quant_conv", "quantize"} {
		if isUnder(name, part) {
			return true
		}
	}
	return false
}

// adversarial is the objective with a discriminator D that the decoder has to
// deceive, supplement G: error + regulariser + λ·factor·g with g = -mean D(y) and
// the adaptive λ = weight·|∇error|/(|∇g| + 10⁻⁴), gradients to the last layer.
//
// The gradients to the picture y are taken once, and serve both λ and the sum.
func (r *reconstruction) adversarial(b nn.Builder) Loss {
	g := b.G
	x, y, reg := r.autoencode(b)
	terms, weights := r.errors(g, x, y)
	nll := r.likelihood(g, x, terms, weights)
	a := r.loss.Adversary
	logits, stats := a.network().Build(b.In(discriminator.Prefix), y)
	deceit := g.Affine(g.ReduceAll(graph.ReduceMean, logits), -1, 0)

	fromError, fromDeceit := g.Gradients(nll, []graph.Value{y})[0], g.Gradients(deceit, []graph.Value{y})[0]
	lambda := g.Detach(g.Affine(adaptive(g, lastNorm(b, r.model, y, fromError), lastNorm(b, r.model, y, fromDeceit)), float32(a.Weight), 0))
	both := g.Add(fromError, g.Mul(fromDeceit, g.Reshape(g.Affine(lambda, float32(a.Factor), 0), 1, 1, 1, 1)))

	penalised := g.Affine(reg.value, float32(reg.weight), 0)
	total := g.Add(g.Add(penalised, nll), g.Affine(g.Mul(lambda, deceit), float32(a.Factor), 0))
	var updates []graph.Value
	if len(stats) > 0 {
		updates = nn.Follow(g, stats)
	}
	return Loss{
		Minimized: g.Add(penalised, along(g, y, both)),
		Terms:     append(append([]Term{{"loss", total}, {reg.name, reg.value}, {"nll", nll}}, terms...), Term{"g_loss", deceit}, Term{"d_weight", lambda}),
		Updates:   updates, Watched: reg.watched,
	}
}

// along is a scalar whose gradient to y is the given one.
func along(g *graph.Graph, y, gradient graph.Value) graph.Value {
	return g.ReduceAll(graph.ReduceSum, g.Mul(y, g.Detach(gradient)))
}

// lastNorm is the norm of the gradient to the last layer's weight, of what has
// that gradient to the picture y.
func lastNorm(b nn.Builder, c autoencoder.Config, y, gradient graph.Value) graph.Value {
	last := b.In("decoder").In("conv_out").Prefix() + ".weight"
	w := b.G.Param(last, c.DD.OutCh, c.DD.Ch*c.DD.ChMult[0], 3, 3)
	return b.G.Unary(graph.Sqrt, b.G.SquaredNorm(b.G.Gradients(along(b.G, y, gradient), []graph.Value{w})[0]))
}

func adaptive(g *graph.Graph, ofError, ofDeceit graph.Value) graph.Value {
	return g.Clamp(g.Div(ofError, g.Affine(ofDeceit, 1, 1e-4)), 0, 1e4)
}

// judge is the discriminator's objective: to tell pictures from reconstructions.
func (r *reconstruction) judge(b nn.Builder) Loss {
	g := b.G
	x, y, _ := r.autoencode(b)
	a := r.loss.Adversary
	d := b.In(discriminator.Prefix)
	real, ofReal := a.network().Build(d, x)
	fake, ofFake := a.network().Build(d, g.Detach(y))
	part := func(logits graph.Value, sign float32) graph.Value {
		v := g.Affine(logits, sign, 1)
		if a.Loss == lossVanilla {
			return g.ReduceAll(graph.ReduceMean, g.Unary(graph.Softplus, g.Affine(logits, sign, 0)))
		}
		return g.ReduceAll(graph.ReduceMean, g.Unary(graph.ReLU, v))
	}
	loss := g.Affine(g.Add(part(real, -1), part(fake, 1)), float32(a.Factor/2), 0)
	var updates []graph.Value
	if len(ofReal) > 0 {
		updates = nn.Follow(g, ofReal, ofFake)
	}
	mean := func(v graph.Value) graph.Value { return g.ReduceAll(graph.ReduceMean, v) }
	return Loss{Minimized: loss, Terms: []Term{{"loss", loss}, {"logits_real", mean(real)}, {"logits_fake", mean(fake)}}, Updates: updates}
}
