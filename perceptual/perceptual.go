// Package perceptual measures how different two pictures look, by LPIPS: Zhang,
// Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep
// Features as a Perceptual Metric" (arXiv 1801.03924), version 0.1, with the
// numbers of its authors' package. The weights of LPIPS (squeeze) are in the
// program; those of the two larger networks are read from files.
package perceptual

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Net is a network whose features are compared.
type Net uint8

// The networks that LPIPS has been published for.
const (
	Squeeze Net = iota // SqueezeNet 1.1; its weights are in the program
	VGG                // VGG 16, with which the paper's first stages were trained
	Alex               // AlexNet
)

var names = [...]string{"squeeze", "vgg", "alex"}

// String names the distance, as in results.
func (n Net) String() string { return "LPIPS (" + names[n] + ")" }

// ParseNet reads "squeeze", "vgg" or "alex".
func ParseNet(s string) (Net, error) {
	for i, name := range names {
		if s == name {
			return Net(i), nil
		}
	}
	return Squeeze, fmt.Errorf("perceptual: network %q: want squeeze, vgg or alex", s)
}

// MinSize is the smallest side in pixels of a picture that the network takes.
func (n Net) MinSize() int { return [...]int{17, 16, 31}[n] }

// The constants of LPIPS' scaling layer, for R, G and B of pictures in [-1, 1].
var (
	shift = [3]float32{-.030, -.088, -.188}
	scale = [3]float32{.458, .448, .450}
)

// Features returns the activations [N, h, w, C] of the network's slices, seven
// of SqueezeNet and five of the others, for pictures x [N, H, W, 3] in [-1, 1],
// RGB. H and W are at least MinSize. The parameters lie under b as in the
// checkpoints of LPIPS: net.slice1.0.weight and so on.
func (n Net) Features(b nn.Builder, x graph.Value) []graph.Value {
	if len(x.Shape()) != 4 || x.Dim(3) != 3 || min(x.Dim(1), x.Dim(2)) < n.MinSize() {
		b.G.Fail("%s of pictures %v: want [n h w 3] of at least %d pixels a side", n, x.Shape(), n.MinSize())
		return nil
	}
	var channels [3]graph.Value
	for i := range channels {
		channels[i] = b.G.Affine(b.G.Slice(x, 3, i, 1), 1/scale[i], -shift[i]/scale[i])
	}
	x = b.G.Concat(3, channels[:]...)
	return [...]func(nn.Builder, graph.Value) []graph.Value{squeezeNet, vgg16, alexNet}[n](b.In("net"), x)
}

// Distances returns the LPIPS distance of each pair of pictures [N, H, W, 3] in
// [-1, 1], [N] (equation 1 of the paper): for every slice the squared difference
// of the features, scaled to length 1 at every pixel, weighted by the slice's
// head and averaged over the pixels; summed over the slices. The heads lie under
// b as lin0.model.1.weight and so on.
func (n Net) Distances(b nn.Builder, x, y graph.Value) graph.Value {
	g := b.G
	fx, fy := n.Features(b, x), n.Features(b, y)
	var sum graph.Value
	for i := range fx {
		d := g.Unary(graph.Square, g.Sub(unit(g, fx[i]), unit(g, fy[i])))
		d = g.Mul(d, head(b, i, d.Dim(3)))
		d = g.Affine(g.Reduce(graph.ReduceSum, d, 1, 2, 3), 1/float32(d.Dim(1)*d.Dim(2)), 0)
		if i == 0 {
			sum = d
		} else {
			sum = g.Add(sum, d)
		}
	}
	if !sum.Valid() {
		return x
	}
	return g.Reshape(sum, x.Dim(0))
}

// Embedding is a vector [N, D] for each picture such that the squared Euclidean
// distance of two is the LPIPS distance of the pictures.
func (n Net) Embedding(b nn.Builder, x graph.Value) graph.Value {
	g := b.G
	var parts []graph.Value
	for i, f := range n.Features(b, x) {
		pixels := float64(f.Dim(1) * f.Dim(2))
		u := g.Mul(unit(g, f), g.Unary(graph.Sqrt, head(b, i, f.Dim(3))))
		u = g.Affine(u, float32(1/math.Sqrt(pixels)), 0)
		parts = append(parts, g.Reshape(u, x.Dim(0), u.Shape().Size()/x.Dim(0)))
	}
	if len(parts) == 0 {
		return x
	}
	return g.Concat(1, parts...)
}

// head is the weights of a slice's channels, [1, 1, 1, C].
func head(b nn.Builder, slice, channels int) graph.Value {
	w := b.In("lin"+strconv.Itoa(slice)).In("model.1").Param("weight", nn.Ones, 1, channels, 1, 1)
	return b.G.Reshape(w, 1, 1, 1, channels)
}

// unit scales the channels of every pixel to length 1. The authors add 1e-10 to
// the length; added to its square, the gradient where all are zero is finite.
func unit(g *graph.Graph, f graph.Value) graph.Value {
	length := g.Unary(graph.Sqrt, g.Affine(g.Reduce(graph.ReduceSum, g.Unary(graph.Square, f), 3), 1, 1e-20))
	return g.Div(f, length)
}
