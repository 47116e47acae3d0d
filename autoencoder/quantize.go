package autoencoder

import (
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Quantize replaces every vector of z [N, h, w, D] by the nearest row of the
// codebook, and gives the rows' indices int32 [N, h, w] (the reference's
// VectorQuantizer2; van den Oord et al., arXiv 1711.00937, equation 1).
func (c Config) Quantize(b nn.Builder, z graph.Value) (quantized, indices graph.Value) {
	book := c.codebook(b)
	indices = b.G.Nearest(z, book)
	return b.G.Embedding(book, indices), indices
}

// QuantizeStep is Quantize as what comes before the steps of a decoder.
func (c Config) QuantizeStep() Step {
	return Step{Name: "quantize", Up: 1, Down: 1, Build: func(b nn.Builder, _ Norm, z graph.Value) graph.Value {
		quantized, _ := c.Quantize(b, z)
		return quantized
	}}
}

// Lookup is the rows of the codebook with the given indices int32 [N, h, w].
func (c Config) Lookup(b nn.Builder, indices graph.Value) graph.Value {
	return b.G.Embedding(c.codebook(b), indices)
}

// codebook has rows of numbers between -1/NEmbed and 1/NEmbed at first.
func (c Config) codebook(b nn.Builder) graph.Value {
	init := nn.Uniform(c.NEmbed * c.NEmbed)
	return b.In("quantize").In("embedding").Param("weight", init, c.NEmbed, c.EmbedDim)
}

// codebookBeta weighs one of the two terms of the codebook's loss.
const codebookBeta = 0.25

// CodebookLoss is mean((sg[q] - z)²) + β·mean((q - sg[z])²) with β = ¼: in the
// reference β lies on the term that moves the codebook, contrary to the paper
// it follows, and its checkpoints were trained so.
func CodebookLoss(g *graph.Graph, z, quantized graph.Value) graph.Value {
	commitment := g.L2(g.Detach(quantized), z)
	return g.Add(commitment, g.Affine(g.L2(quantized, g.Detach(z)), codebookBeta, 0))
}
