package graph

import "fmt"

// Nearest finds for every vector of z the row of a codebook at the smallest
// Euclidean distance, the first of several. It has no gradient.
//
//	z         [..., D]
//	codebook  [K, D]
//	y         int32 [...]
type Nearest struct{}

func (op Nearest) infer(in []Type) ([]Type, error) {
	if err := want(in, 2); err != nil {
		return nil, err
	}
	z, book := in[0].Shape, in[1].Shape
	if len(z) < 1 || len(book) != 2 || z[len(z)-1] != book[1] {
		return nil, fmt.Errorf("vectors %v and a codebook %v: want [... d] and [k d]", z, book)
	}
	return []Type{{Int32, append(Shape(nil), z[:len(z)-1]...)}}, nil
}

// Nearest returns the indices int32 [...] of the rows of codebook [K, D] that
// are nearest to the vectors z [..., D].
func (g *Graph) Nearest(z, codebook Value) Value { return g.one(Nearest{}, z, codebook) }

// Detach is its input, through which no gradient flows.
type Detach struct{}

func (op Detach) infer(in []Type) ([]Type, error) { return in, want(in, 1) }

// Detach returns x as a constant for the gradient.
func (g *Graph) Detach(x Value) Value { return g.one(Detach{}, x) }
