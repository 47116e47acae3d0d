package graph

import "fmt"

// MatchTokens finds which tokens of a picture are so alike that they may be computed as
// one: bipartite soft matching (Bolya et al., arXiv 2210.09461, section 3) as token merging
// for Stable Diffusion does it (Bolya and Hoffman, arXiv 2303.17604, section 4.1). The
// tokens lie in a grid of H rows of W. In each cell of 2x2 the one at (Top, Left) is a
// destination, and the others are sources: each source finds the destination of the largest
// cosine similarity, the first of several, and the Merged sources that are most similar to
// theirs are merged into it.
//
//	x      [N, H·W, C]
//	place  int32 [N, H·W], where each token stands in the merged sequence of H·W - Merged:
//	       first the sources that stay, then the destinations, each in the grid's order
//
// It has no gradient.
type MatchTokens struct{ H, W, Merged, Top, Left int }

// Sources is the number of tokens that are no destinations.
func (op MatchTokens) Sources() int { return op.H * op.W / 4 * 3 }

func (op MatchTokens) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	x := in[0].Shape
	switch {
	case len(x) != 3 || op.H < 2 || op.W < 2 || op.H%2 != 0 || op.W%2 != 0 || x[1] != op.H*op.W:
		return nil, fmt.Errorf("tokens %v of a grid of %dx%d: want [n h·w c], of even sides", x, op.H, op.W)
	case op.Top < 0 || op.Top > 1 || op.Left < 0 || op.Left > 1:
		return nil, fmt.Errorf("destinations at row %d and column %d of a cell: want 0 or 1", op.Top, op.Left)
	case op.Merged < 0 || op.Merged > op.Sources():
		return nil, fmt.Errorf("%d of %d tokens merged: want at most three quarters", op.Merged, x[1])
	}
	return []Type{{Int32, Shape{x[0], x[1]}}}, nil
}

// MatchTokens returns the places int32 [N, H·W] of tokens x [N, H·W, C].
func (g *Graph) MatchTokens(x Value, op MatchTokens) Value { return g.one(op, x) }

// MergeTokens is the mean of the tokens at each place. It has no gradient.
//
//	x      [N, S, C]
//	place  int32 [N, S], below Places
//	y      [N, Places, C]; zeros where there is no token
type MergeTokens struct{ Places int }

func (op MergeTokens) infer(in []Type) ([]Type, error) {
	x, s, err := placed(in)
	switch {
	case err != nil:
		return nil, err
	case s != x[1] || op.Places < 1:
		return nil, fmt.Errorf("%d of the tokens %v have one of %d places: want all, and at least one place", s, x, op.Places)
	}
	return []Type{float(x[0], op.Places, x[2])}, nil
}

// MergeTokens returns the mean [N, places, C] of the tokens x [N, S, C] at each place.
func (g *Graph) MergeTokens(x, place Value, places int) Value {
	return g.one(MergeTokens{places}, x, place)
}

// UnmergeTokens gives every token what stands at its place. It has no gradient.
//
//	x      [N, Places, C]
//	place  int32 [N, S], below Places
//	y      [N, S, C]
type UnmergeTokens struct{}

func (op UnmergeTokens) infer(in []Type) ([]Type, error) {
	x, s, err := placed(in)
	if err != nil {
		return nil, err
	}
	return []Type{float(x[0], s, x[2])}, nil
}

// UnmergeTokens returns what stands at the places of tokens, [N, S, C], of x [N, Places, C].
func (g *Graph) UnmergeTokens(x, place Value) Value { return g.one(UnmergeTokens{}, x, place) }

// placed wants tokens of pictures and places of s tokens of each.
func placed(in []Type) (x Shape, s int, err error) {
	if len(in) != 2 || in[0].DType != Float32 || in[1].DType != Int32 {
		return nil, 0, fmt.Errorf("inputs %v: want tokens and places", in)
	}
	x, place := in[0].Shape, in[1].Shape
	if len(x) != 3 || len(place) != 2 || place[0] != x[0] {
		return nil, 0, fmt.Errorf("tokens %v and places %v: want [n s c] and [n s]", x, place)
	}
	return x, place[1], nil
}
