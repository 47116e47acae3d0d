package nn

import (
	"math"
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// batchNormEps is PyTorch's epsilon of batch norms, and batchNormKeep the share
// of a running statistic that a new batch leaves.
const (
	batchNormEps  = 1e-5
	batchNormKeep = 0.9
)

// IsStatistic tells whether a parameter is a running statistic, which no gradient moves.
func IsStatistic(name string) bool {
	return strings.HasSuffix(name, ".running_mean") || strings.HasSuffix(name, ".running_var")
}

// Statistic is what a batch norm measured, beside the running one that follows it.
type Statistic struct{ Running, Batch graph.Value }

// BatchNorm normalises every channel of x [N, H, W, C] by the mean and the
// variance over the batch (Ioffe and Szegedy, arXiv 1502.03167), with weight
// and bias [C]; weights begin by init. Its statistics are for Follow.
func BatchNorm(b Builder, x graph.Value, init Init) (y graph.Value, stats []Statistic) {
	g := b.G
	before := g.SetScope(b.prefix)
	defer g.SetScope(before)
	c := x.Dim(3)
	mean := g.Reduce(graph.ReduceMean, x, 0, 1, 2)
	centred := g.Sub(x, mean)
	variance := g.Reduce(graph.ReduceMean, g.Unary(graph.Square, centred), 0, 1, 2)
	std := g.Unary(graph.Sqrt, g.Affine(variance, 1, batchNormEps))
	scale := g.Div(g.Reshape(b.Param("weight", init, c), 1, 1, 1, c), std)
	y = g.Add(g.Mul(centred, scale), g.Reshape(b.Param("bias", Zeros, c), 1, 1, 1, c))

	count := float32(x.Shape().Size() / max(c, 1))
	unbiased := g.Affine(variance, count/max(count-1, 1), 0)
	return y, []Statistic{
		{b.Param("running_mean", Zeros, c), g.Reshape(g.Detach(mean), c)},
		{b.Param("running_var", Ones, c), g.Reshape(g.Detach(unbiased), c)},
	}
}

// Follow moves running statistics a tenth of the way towards those of a batch,
// of several forward passes in their order. No gradient reads them: they are
// for whoever runs the network with fixed statistics. The results are updates,
// to be outputs of the program.
func Follow(g *graph.Graph, passes ...[]Statistic) []graph.Value {
	var updates []graph.Value
	keep := math.Pow(batchNormKeep, float64(len(passes)))
	for i := range passes[0] {
		var sum graph.Value
		for k, stats := range passes {
			share := (1 - batchNormKeep) * math.Pow(batchNormKeep, float64(len(passes)-1-k)) / (1 - keep)
			part := g.Affine(stats[i].Batch, float32(share), 0)
			if sum.Valid() {
				part = g.Add(sum, part)
			}
			sum = part
		}
		updates = append(updates, g.EMA(passes[0][i].Running, sum, g.Fill(float32(keep)), g.SquaredNorm(sum)))
	}
	return updates
}

// ActNorm is scale·(x + loc) for every channel of x [N, H, W, C], both [1, C, 1, 1]
// (Kingma and Dhariwal, arXiv 1807.03039). ActNormStart gives their first values.
func ActNorm(b Builder, x graph.Value) graph.Value {
	c := x.Dim(3)
	return b.scope(func() graph.Value {
		loc := b.G.Reshape(b.Param("loc", Zeros, 1, c, 1, 1), 1, 1, 1, c)
		scale := b.G.Reshape(b.Param("scale", Ones, 1, c, 1, 1), 1, 1, 1, c)
		return b.G.Mul(b.G.Add(x, loc), scale)
	})
}

// ActNormStart returns the values of loc and scale with which the results for
// x, the first batch, have mean 0 and standard deviation 1, and those results.
func ActNormStart(g *graph.Graph, x graph.Value) (y, loc, scale graph.Value) {
	c := x.Dim(3)
	count := float32(x.Shape().Size() / max(c, 1))
	loc = g.Affine(g.Reduce(graph.ReduceMean, x, 0, 1, 2), -1, 0)
	centred := g.Add(x, loc)
	variance := g.Affine(g.Reduce(graph.ReduceMean, g.Unary(graph.Square, centred), 0, 1, 2), count/max(count-1, 1), 0)
	scale = g.Div(g.Fill(1, 1, 1, 1, c), g.Affine(g.Unary(graph.Sqrt, variance), 1, 1e-6))
	return g.Mul(centred, scale), loc, scale
}

// LeakyReLU is x where it is positive, and slope·x elsewhere.
func LeakyReLU(g *graph.Graph, x graph.Value, slope float32) graph.Value {
	return g.Add(g.Affine(g.Unary(graph.ReLU, x), 1-slope, 0), g.Affine(x, slope, 0))
}
