// Package features turns pictures into the vectors that sets of pictures are
// compared by: those of SqueezeNet, which is in the program, and of Inception and
// CLIP from files that the user gives.
package features

import (
	"context"
	"image"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

// Extractor computes features of pictures, a few at a time.
type Extractor struct {
	Name   string // of the network, as in FID-SqueezeNet; "" for Inception, by which FID is defined
	Filter string // how pictures are brought to the network's size
	Logits bool   // whether there are logits too, for the Inception score

	prepare func(dst []float32, img *image.RGBA)
	batch   int
	prog    engine.Program
	text    *textTower // of CLIP's files that have one
}

// Measure is the name of a measure by these features: FID, or FID-SqueezeNet.
func (e *Extractor) Measure(name string) string {
	if e.Name == "" {
		return name
	}
	return name + "-" + e.Name
}

// batch is how many pictures go through a network at once.
const batch = 8

// squeezeScale brings SqueezeNet's features about to the size of Inception's, which
// KID's kernel is made for.
const squeezeScale = 0.1

// SqueezeNet is the extractor in the program: the means over the pixels of the last
// of SqueezeNet 1.1's features, 512 numbers, a tenth of each, of pictures of 224 x 224.
func SqueezeNet(eng engine.Engine, opt engine.Options) (*Extractor, error) {
	vars, err := perceptual.Vars()
	if err != nil {
		return nil, err
	}
	e := &Extractor{Name: "SqueezeNet", Filter: "bicubic (Pillow's, antialiased) to 224x224", prepare: squeezeInput, batch: batch}
	return e, e.compile(eng, opt, vars, 224, func(b nn.Builder, x graph.Value) []graph.Value {
		f := perceptual.Squeeze.Features(b, x)
		last := f[len(f)-1]
		means := b.G.Affine(b.G.Reduce(graph.ReduceMean, last, 1, 2), squeezeScale, 0)
		return []graph.Value{b.G.Reshape(means, last.Dim(0), last.Dim(3))}
	})
}

func (e *Extractor) compile(eng engine.Engine, opt engine.Options, vars engine.Vars, size int, build func(nn.Builder, graph.Value) []graph.Value) error {
	g := graph.New()
	outputs := build(nn.NewBuilder(g), g.Input("x", e.batch, size, size, 3))
	if err := g.Err(); err != nil {
		return err
	}
	var err error
	e.prog, err = engine.CompileWith(eng, g, outputs, vars, opt)
	return err
}

// Vectors are the features of at most Batch pictures, [n, d], and their logits
// where the network has some.
func (e *Extractor) Vectors(ctx context.Context, imgs []*image.RGBA) (features, logits [][]float32, err error) {
	if len(imgs) > e.batch {
		return nil, nil, fault.Inputf("%d pictures at once: want at most %d", len(imgs), e.batch)
	}
	x := e.prog.Input("x")
	per := len(x.F32) / e.batch
	for i, img := range imgs {
		e.prepare(x.F32[i*per:(i+1)*per], img)
	}
	if err := e.prog.Run(ctx); err != nil {
		return nil, nil, err
	}
	features = rows(e.prog.Output(0), len(imgs))
	if e.Logits {
		logits = rows(e.prog.Output(1), len(imgs))
	}
	return features, logits, nil
}

// Batch is how many pictures Vectors takes.
func (e *Extractor) Batch() int { return e.batch }

// rows are copies of the first n rows.
func rows(t *tensor.Tensor, n int) [][]float32 {
	var out [][]float32
	for i := range n {
		out = append(out, append([]float32(nil), t.Row(i).F32...))
	}
	return out
}

// Close frees the programs.
func (e *Extractor) Close() {
	if e.prog != nil {
		e.prog.Close()
	}
	if e.text != nil {
		e.text.prog.Close()
	}
}
