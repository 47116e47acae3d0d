package graph

// L1 is mean(|a - b|), a scalar.
func (g *Graph) L1(a, b Value) Value {
	return g.ReduceAll(ReduceMean, g.Unary(Abs, g.Sub(a, b)))
}

// L2 is mean((a - b)²), a scalar.
func (g *Graph) L2(a, b Value) Value {
	return g.ReduceAll(ReduceMean, g.Unary(Square, g.Sub(a, b)))
}
