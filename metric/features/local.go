package features

import (
	"context"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

// Local computes a vector for each place of a picture, from SqueezeNet's features at
// a quarter, an eighth and a sixteenth of its size.
type Local struct {
	prog engine.Program
	size int
}

// localSlices are the slices of SqueezeNet whose features are joined.
var localSlices = []int{1, 2, 3}

// NewLocal is for pictures of size x size.
func NewLocal(eng engine.Engine, opt engine.Options, size int) (*Local, error) {
	if size < perceptual.Squeeze.MinSize() {
		return nil, fault.Inputf("features of pictures of %d pixels: want at least %d", size, perceptual.Squeeze.MinSize())
	}
	vars, err := perceptual.Vars()
	if err != nil {
		return nil, err
	}
	g := graph.New()
	all := perceptual.Squeeze.Features(nn.NewBuilder(g), g.Input("x", 1, size, size, 3))
	var outputs []graph.Value
	for _, i := range localSlices {
		outputs = append(outputs, all[i])
	}
	prog, err := engine.CompileWith(eng, g, outputs, vars, opt)
	return &Local{prog, size}, err
}

// Grid is a vector for each place of a grid.
type Grid struct {
	H, W, D int
	Values  []float32
}

// At is the vector of a place.
func (g *Grid) At(y, x int) []float32 { return g.Values[(y*g.W+x)*g.D:][:g.D] }

// Features are those of a picture [size, size, 3] in [-1, 1].
func (l *Local) Features(ctx context.Context, x []float32) (*Grid, error) {
	copy(l.prog.Input("x").F32, x)
	if err := l.prog.Run(ctx); err != nil {
		return nil, err
	}
	var parts []*tensor.Tensor
	g := &Grid{}
	for i := range localSlices {
		parts = append(parts, l.prog.Output(i))
		g.D += parts[i].Shape[3]
	}
	g.H, g.W = parts[0].Shape[1], parts[0].Shape[2]
	g.Values = make([]float32, 0, g.H*g.W*g.D)
	for y := range g.H {
		for x := range g.W {
			for _, p := range parts {
				h, w, c := p.Shape[1], p.Shape[2], p.Shape[3]
				g.Values = append(g.Values, p.F32[(y*h/g.H*w+x*w/g.W)*c:][:c]...)
			}
		}
	}
	return g, nil
}

// Close frees the program.
func (l *Local) Close() { l.prog.Close() }
