// Package perceptual measures how alike two pictures look: the SqueezeNet
// distance, made like LPIPS (Zhang et al., arXiv 1801.03924) but of SqueezeNet
// v1.1 features without learned weights. It is not LPIPS and its numbers cannot
// be compared with LPIPS'.
package perceptual

import (
	"bytes"
	_ "embed"
	"math"
	"strconv"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

//go:embed features.safetensors
var features []byte

// Prefix is put before the names of the features' parameters in a graph.
const Prefix = "perceptual"

// MinSize is the smallest side of a picture that the features can be taken of.
const MinSize = 33

// Vars adds the features' weights to vars under Prefix.
func Vars(vars engine.Vars) error {
	f, err := checkpoint.NewFile("perceptual/features.safetensors", bytes.NewReader(features), int64(len(features)))
	if err != nil {
		return err
	}
	for _, name := range f.Names() {
		t, err := f.Read(name)
		if err != nil {
			return err
		}
		vars[Prefix+"."+name] = t
	}
	return nil
}

// mean is what the network was trained to have subtracted, BGR of 0 to 255.
var mean = [3]float32{103.939, 116.779, 123.68}

// Features returns the activations of five layers for pictures x [N, H, W, 3]
// in [-1, 1], RGB. H and W are at least MinSize.
func Features(g *graph.Graph, x graph.Value) []graph.Value {
	b := nn.NewBuilder(g).In(Prefix)
	var bgr [3]graph.Value
	for i, m := range mean {
		bgr[i] = g.Affine(g.Slice(x, 3, 2-i, 1), 127.5, 127.5-m)
	}
	x = g.Concat(3, bgr[:]...)
	valid := nn.Conv{Kernel: 3, Conv2D: graph.Conv2D{Stride: 2}}
	x = g.Unary(graph.ReLU, nn.Conv2D(b.In("conv1"), x, 64, valid))
	out := []graph.Value{x}
	for i, width := range []int{16, 16, 32, 32, 48, 48, 64, 64} {
		if i == 0 || i == 2 || i == 4 {
			x = g.MaxPool(x, 3, 2)
		}
		x = fire(b.In("fire"+strconv.Itoa(i+2)), x, width)
		if i%2 == 1 {
			out = append(out, x)
		}
	}
	return out
}

// fire squeezes to width channels and expands to 4·width by 1x1 and as many by 3x3.
func fire(b nn.Builder, x graph.Value, width int) graph.Value {
	g := b.G
	x = g.Unary(graph.ReLU, nn.Conv2D(b.In("squeeze1x1"), x, width, nn.Conv1))
	one := nn.Conv2D(b.In("expand1x1"), x, 4*width, nn.Conv1)
	three := nn.Conv2D(b.In("expand3x3"), x, 4*width, nn.Conv3)
	return g.Unary(graph.ReLU, g.Concat(3, one, three))
}

// Distances returns the SqueezeNet distance of each pair of pictures, [N]: for
// every layer the squared difference of the features, scaled to length 1 at
// every pixel, averaged over the pixels; summed over the layers.
func Distances(g *graph.Graph, x, y graph.Value) graph.Value {
	fx, fy := Features(g, x), Features(g, y)
	var sum graph.Value
	for i := range fx {
		d := g.Unary(graph.Square, g.Sub(unit(g, fx[i]), unit(g, fy[i])))
		d = g.Affine(g.Reduce(graph.ReduceSum, d, 1, 2, 3), 1/float32(d.Dim(1)*d.Dim(2)), 0)
		if i == 0 {
			sum = d
		} else {
			sum = g.Add(sum, d)
		}
	}
	return g.Reshape(sum, x.Dim(0))
}

// Embedding is a vector [N, D] for each picture such that the squared Euclidean
// distance of two is the SqueezeNet distance of the pictures.
func Embedding(g *graph.Graph, x graph.Value) graph.Value {
	var parts []graph.Value
	for _, f := range Features(g, x) {
		u := g.Affine(unit(g, f), invSqrt(f.Dim(1)*f.Dim(2)), 0)
		parts = append(parts, g.Reshape(u, x.Dim(0), u.Shape().Size()/x.Dim(0)))
	}
	return g.Concat(1, parts...)
}

// unit scales the channels of every pixel to length 1.
func unit(g *graph.Graph, f graph.Value) graph.Value {
	length := g.Unary(graph.Sqrt, g.Affine(g.Reduce(graph.ReduceSum, g.Unary(graph.Square, f), 3), 1, 1e-8))
	return g.Div(f, length)
}

// Embedder computes embeddings of pictures of one size.
type Embedder struct {
	prog engine.Program
	n    int
}

// NewEmbedder compiles Embedding for batches of n pictures of size x size.
func NewEmbedder(eng engine.Engine, opt engine.Options, n, size int) (*Embedder, error) {
	g := graph.New()
	y := Embedding(g, g.Input("x", n, size, size, 3))
	vars := engine.Vars{}
	if err := Vars(vars); err != nil {
		return nil, err
	}
	prog, err := eng.Compile(g, []graph.Value{y}, vars, opt)
	return &Embedder{prog, n}, err
}

// Embed returns the vectors [N, D] of pictures [N, H, W, 3]; N is the batch
// of NewEmbedder. The result holds until the next call.
func (e *Embedder) Embed(x []float32) (*tensor.Tensor, error) {
	copy(e.prog.Input("x").F32, x)
	if err := e.prog.Run(); err != nil {
		return nil, err
	}
	return e.prog.Output(0), nil
}

func invSqrt(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }
