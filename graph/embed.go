package graph

import "fmt"

// Embedding looks up rows of a table.
//
//	table [V, D]
//	ids   int32 [...], each in 0 … V-1
//	y     [..., D]
type Embedding struct{}

func (op Embedding) infer(in []Type) ([]Type, error) {
	if len(in) != 2 || len(in[0].Shape) != 2 || in[0].DType != Float32 || in[1].DType != Int32 {
		return nil, fmt.Errorf("inputs %v: want float32 [v d] and int32", in)
	}
	return []Type{float(append(append(Shape(nil), in[1].Shape...), in[0].Shape[1])...)}, nil
}

func (op Embedding) grad(g *Graph, n *Node, dy []Value) []Value {
	return []Value{g.one(EmbeddingGrad{n.Inputs[0].Dim(0)}, n.Inputs[1], dy[0]), {}}
}

// EmbeddingGrad adds the rows of dy up in a table of Rows rows, from ids and dy.
type EmbeddingGrad struct{ Rows int }

func (op EmbeddingGrad) infer(in []Type) ([]Type, error) {
	if len(in) != 2 || in[0].DType != Int32 || len(in[1].Shape) < 1 {
		return nil, fmt.Errorf("inputs %v", in)
	}
	s := in[1].Shape
	return []Type{float(op.Rows, s[len(s)-1])}, nil
}

// Embedding looks up rows ids [...] of table [V, D].
func (g *Graph) Embedding(table, ids Value) Value { return g.one(Embedding{}, table, ids) }

// TimestepEmbedding is [cos(t·f_i), sin(t·f_i)] with f_i = MaxPeriod^(-i/half),
// half = Dim/2, and a zero at the end where Dim is odd; cosines first, as in
// the reference's U-Net.
//
//	t  [N], which need not be whole numbers
//	y  [N, Dim]
type TimestepEmbedding struct {
	Dim       int
	MaxPeriod float32
}

func (op TimestepEmbedding) infer(in []Type) ([]Type, error) {
	if len(in) != 1 || in[0].DType != Float32 || len(in[0].Shape) != 1 || op.Dim < 2 {
		return nil, fmt.Errorf("timesteps %v to %d channels: want float32 [n]", in, op.Dim)
	}
	return []Type{float(in[0].Shape[0], op.Dim)}, nil
}

// TimestepEmbedding returns the sinusoidal embedding [N, dim] of t [N].
func (g *Graph) TimestepEmbedding(t Value, dim int) Value {
	return g.one(TimestepEmbedding{dim, 10000}, t)
}
