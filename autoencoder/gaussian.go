package autoencoder

import (
	"math"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Gaussian is a diagonal normal posterior over latents [N, h, w, D].
type Gaussian struct{ Mean, LogVar graph.Value }

// NewGaussian splits moments [N, h, w, 2D]; the log-variance is limited to [-30, 20].
func NewGaussian(g *graph.Graph, moments graph.Value) Gaussian {
	halves := g.Split(moments, 3, 2)
	return Gaussian{halves[0], g.Clamp(halves[1], -30, 20)}
}

// Sample is mean + exp(logvar/2)·noise.
func (p Gaussian) Sample(g *graph.Graph, noise graph.Value) graph.Value {
	return g.Add(p.Mean, g.Mul(g.Unary(graph.Exp, g.Affine(p.LogVar, .5, 0)), noise))
}

// KL is the divergence from N(0, 1) of each picture, [N, 1, 1, 1]:
// ½·Σ(μ² + σ² - 1 - log σ²).
func (p Gaussian) KL(g *graph.Graph) graph.Value {
	sum := g.Add(g.Unary(graph.Square, p.Mean), g.Affine(g.Unary(graph.Exp, p.LogVar), 1, -1))
	return g.Affine(g.Reduce(graph.ReduceSum, g.Sub(sum, p.LogVar), 1, 2, 3), .5, 0)
}

// linearAttention is the reference's attn_type linear: one head, the softmax
// over the positions of the keys alone, and neither norm nor residual.
func linearAttention(b nn.Builder, x graph.Value) graph.Value {
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	g := b.G
	tokens := g.Reshape(x, n, h*w, c)
	if n != 1 {
		g.Fail("attn_type linear takes one picture at a time")
		return x
	}
	weight := g.Reshape(b.In("to_qkv").Param("weight", nn.Uniform(c), 3*c, c, 1, 1), 3*c, c)
	qkv := g.Split(g.Linear(tokens, weight, graph.Value{}), 2, 3)
	k := g.Softmax(g.Transpose(qkv[1], 0, 2, 1))                                       // over positions
	context := g.MatMul(g.Reshape(k, c, h*w), g.Reshape(qkv[2], h*w, c), false, false) // [c, c]
	y := g.MatMul(g.Reshape(qkv[0], h*w, c), context, false, false)
	y = nn.Linear1(b.In("to_out"), g.Reshape(y, n, h*w, c), c, 2, false)
	return g.Reshape(y, n, h, w, c)
}

func invSqrt(c int) float32 { return float32(1 / math.Sqrt(float64(c))) }

// SampleFrom is Sample of one number: mean + exp(logvar/2)·noise.
func SampleFrom(mean, logvar, noise float32) float32 {
	logvar = min(max(logvar, -30), 20)
	return mean + float32(math.Exp(float64(logvar)/2))*noise
}
