package perceptual

import (
	"context"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Embedder computes embeddings of pictures of one size.
type Embedder struct{ prog engine.Program }

// NewEmbedder compiles LPIPS (squeeze)'s Embedding for batches of n pictures of
// size x size.
func NewEmbedder(eng engine.Engine, opt engine.Options, n, size int) (*Embedder, error) {
	vars, err := Vars()
	if err != nil {
		return nil, err
	}
	g := graph.New()
	y := Squeeze.Embedding(nn.NewBuilder(g), g.Input("x", n, size, size, 3))
	prog, err := engine.CompileWith(eng, g, []graph.Value{y}, vars, opt)
	return &Embedder{prog}, err
}

// Embed returns the vectors [N, D] of pictures [N, H, W, 3]; N is the batch
// of NewEmbedder. The result holds until the next call.
func (e *Embedder) Embed(ctx context.Context, x []float32) (*tensor.Tensor, error) {
	copy(e.prog.Input("x").F32, x)
	if err := e.prog.Run(ctx); err != nil {
		return nil, err
	}
	return e.prog.Output(0), nil
}
