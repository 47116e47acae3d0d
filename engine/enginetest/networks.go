package enginetest

import (
	"fmt"

	"github.com/ldm-go/ldm/graph"
)

// Network is a small graph whose result is made of parameters that it names.
type Network struct {
	Name  string
	IDs   map[string][]int32 // inputs of whole numbers
	Build func(g *graph.Graph) graph.Value
	Flat  bool // without gradients
}

func unaryNetworks() []Network {
	var all []Network
	for fn := graph.SiLU; fn <= graph.Clamp; fn++ {
		all = append(all, Network{Name: fn.String(), Build: func(g *graph.Graph) graph.Value {
			x := g.Param("x", 3, 37)
			switch fn {
			case graph.Log, graph.Sqrt:
				x = g.Affine(g.Unary(graph.Square, x), 1, .5)
			case graph.Affine:
				return g.Affine(x, -2, .5)
			case graph.Clamp:
				return g.Clamp(x, -.7, .9)
			}
			return g.Unary(fn, x)
		}})
	}
	return all
}

// Networks are graphs of all operations, in odd shapes: nothing divides what blocks,
// tiles and vectors like to be divided by.
func Networks() []Network {
	all := unaryNetworks()
	add := func(name string, build func(g *graph.Graph) graph.Value) {
		all = append(all, Network{Name: name, Build: build})
	}
	for _, fn := range []graph.BinaryFn{graph.Add, graph.Sub, graph.Mul, graph.Div} {
		for _, shape := range [][]int{{3, 2, 4, 19}, {3, 1, 1, 19}, {1, 1, 1, 19}, {3, 2, 4, 1}, {1, 1, 1, 1}, {3, 1, 1, 1}} {
			add(fmt.Sprint(fn, shape), func(g *graph.Graph) graph.Value {
				b := g.Affine(g.Unary(graph.Square, g.Param("b", shape...)), 1, .7)
				ops := []func(a, b graph.Value) graph.Value{g.Add, g.Sub, g.Mul, g.Div}
				return ops[fn](g.Param("a", 3, 2, 4, 19), b)
			})
		}
	}
	for _, axes := range [][]int{{0}, {1, 2}, {0, 1, 2}, {0, 1, 2, 3}, {3}, {0, 2}, {1, 2, 3}, {}} {
		add(fmt.Sprint("Reduce", axes), func(g *graph.Graph) graph.Value {
			x := g.Param("x", 3, 5, 4, 32)
			return g.Add(g.Broadcast(g.Reduce(graph.ReduceMean, x, axes...), 3, 5, 4, 32), g.Broadcast(g.Reduce(graph.ReduceSum, x, axes...), 3, 5, 4, 32))
		})
	}
	add("Shaping", func(g *graph.Graph) graph.Value {
		x := g.Param("x", 2, 3, 4, 10)
		t := g.Reshape(g.Transpose(x, 0, 3, 1, 2), 2, 10, 12)
		p := g.Split(g.Transpose(t, 0, 2, 1), 2, 2)
		return g.Concat(-1, p[1], g.Slice(g.Transpose(t, 0, 2, 1), 2, 3, 4), p[0])
	})
	for _, s := range [][3]int{{1, 1, 1}, {5, 7, 3}, {33, 50, 40}} {
		add(fmt.Sprint("Linear", s), func(g *graph.Graph) graph.Value {
			y := g.Linear(g.Param("x", 3, s[0], s[2]), g.Param("w", s[1], s[2]), g.Param("b", s[1]))
			return g.Add(g.MatMul(y, g.Param("v", s[1], s[2]), false, false), g.Param("x", 3, s[0], s[2]))
		})
		add(fmt.Sprint("MatMulT", s), func(g *graph.Graph) graph.Value {
			return g.MatMul(g.Param("x", s[0], s[1]), g.Param("y", s[0], s[2]), true, false)
		})
	}
	for _, c := range []struct{ n, h, w, c, o, k, stride, pad int }{
		{1, 1, 1, 5, 7, 3, 1, 1}, {3, 5, 4, 3, 33, 3, 1, 1}, {2, 6, 6, 20, 20, 3, 1, 1}, {1, 7, 6, 17, 9, 3, 2, 1}, {2, 8, 8, 40, 6, 1, 1, 0},
	} {
		add(fmt.Sprint("Conv2D", c), func(g *graph.Graph) graph.Value {
			x := g.Param("x", c.n, c.h, c.w, c.c)
			op := graph.Conv2D{Stride: c.stride, Top: c.pad, Bottom: c.pad, Left: c.pad, Right: c.pad}
			y := g.Conv2D(x, g.Param("w", c.o, c.c, c.k, c.k), g.Param("b", c.o), op)
			if c.c == c.o { // the residual that is fused
				y = g.Add(y, x)
			}
			return y
		})
	}
	for _, s := range []struct{ n, hw, c, groups int }{{1, 1, 32, 8}, {3, 3, 40, 8}, {2, 30, 33, 3}, {1, 65, 64, 32}} {
		for _, silu := range []bool{false, true} {
			add(fmt.Sprint("GroupNorm", s, silu), func(g *graph.Graph) graph.Value {
				x := g.Affine(g.Param("x", s.n, s.hw, s.hw, s.c), 1, 3)
				return g.GroupNorm(x, g.Param("g", s.c), g.Param("b", s.c), graph.GroupNorm{Groups: s.groups, Eps: 1e-5, SiLU: silu})
			})
		}
	}
	add("GroupNorm of a sum", func(g *graph.Graph) graph.Value { // which is fused
		x := g.Conv2D(g.Param("x", 3, 4, 5, 9), g.Param("w", 40, 9, 1, 1), g.Param("bias", 40), graph.Conv2D{Stride: 1})
		x = g.Add(x, g.Affine(g.Param("e", 3, 1, 1, 40), 3, 1))
		return g.GroupNorm(x, g.Param("g", 40), g.Param("b", 40), graph.GroupNorm{Groups: 8, Eps: 1e-5, SiLU: true})
	})
	add("Conv2D of a GroupNorm", func(g *graph.Graph) graph.Value { return Normed(g, 3, true)[0] }) // which is fused
	add("Linear of a GroupNorm", func(g *graph.Graph) graph.Value { return Normed(g, 2, false)[0] })
	add("LayerNorm", func(g *graph.Graph) graph.Value {
		return g.LayerNorm(g.Param("x", 3, 50, 37), g.Param("g", 37), g.Param("b", 37), 1e-5)
	})
	for _, a := range []struct {
		n, t, s, heads, d int
		causal            bool
	}{{1, 1, 1, 1, 5, false}, {3, 17, 9, 2, 8, false}, {2, 70, 70, 3, 16, true}, {1, 130, 20, 1, 40, false}, {1, 110, 530, 1, 20, false}, {1, 300, 300, 2, 8, true}} {
		add(fmt.Sprint("Attention", a), func(g *graph.Graph) graph.Value {
			c := a.heads * a.d
			return g.Attention(g.Param("q", a.n, a.t, c), g.Param("k", a.n, a.s, c), g.Param("v", a.n, a.s, c),
				graph.Attention{Heads: a.heads, Scale: .4, Causal: a.causal})
		})
	}
	add("GEGLU", func(g *graph.Graph) graph.Value { return g.GEGLU(g.Param("x", 2, 9, 38)) })
	for _, s := range [][3]int{{5, 24, 64}, {200, 36, 192}, {33, 7, 50}} {
		add(fmt.Sprint("GEGLU of a product", s), func(g *graph.Graph) graph.Value { // which is fused, and made again in the gradient
			x := g.Linear(g.LayerNorm(g.Param("x", s[0], s[1]), g.Param("g", s[1]), g.Param("b", s[1]), 1e-5), g.Param("w", s[2], s[1]), g.Param("bias", s[2]))
			y := g.Linear(g.GEGLU(x), g.Param("v", 3, s[2]/2), graph.Value{})
			for range 8 {
				y = g.Affine(y, .9, .1)
			}
			return y
		})
	}
	add("FeedForward", FeedForwards) // which is fused
	add("Softmax", func(g *graph.Graph) graph.Value { return g.Softmax(g.Param("x", 2, 9, 21)) })
	add("Upsample", func(g *graph.Graph) graph.Value { return g.Upsample(g.Param("x", 3, 2, 3, 5), 2) })
	add("AvgPool", func(g *graph.Graph) graph.Value { return g.AvgPool(g.Param("x", 3, 4, 6, 5), 2) })
	add("MaxPool", func(g *graph.Graph) graph.Value { return g.MaxPool(g.Param("x", 3, 6, 7, 5), 3, 2) })
	all = append(all, Network{Name: "Embedding", IDs: map[string][]int32{"ids": {3, 0, 3, 1}}, Build: func(g *graph.Graph) graph.Value {
		e := g.Embedding(g.Param("table", 5, 12), g.IntInput("ids", 2, 2))
		t := g.Reshape(g.TimestepEmbedding(g.Concat(0, g.Fill(1, 1), g.Fill(998.25, 1)), 12), 2, 1, 12)
		return g.Add(e, t)
	}})
	add("SquaredNorm", func(g *graph.Graph) graph.Value {
		x := g.Param("x", 7, 9)
		n := g.Broadcast(g.Reshape(g.SquaredNorm(g.Fill(2, 40000), g.Fill(3, 5)), 1, 1), 7, 9)
		return g.Mul(x, n)
	})
	for _, method := range graph.ResizeMethods {
		for _, scale := range []float64{.4, .5, 1.7, 2} {
			all = append(all, Network{Name: fmt.Sprint("Resize ", method, scale), Flat: true, Build: func(g *graph.Graph) graph.Value {
				return g.Resize(g.Param("x", 2, 7, 5, 3), method, scale)
			}})
		}
	}
	all = append(all, Network{Name: "Nearest", Flat: true, Build: func(g *graph.Graph) graph.Value {
		z, book := g.Param("z", 3, 5, 7), g.Param("book", 11, 7)
		return g.Sub(g.Detach(g.Embedding(book, g.Nearest(z, book))), z)
	}})
	for _, op := range []graph.MatchTokens{{H: 2, W: 2, Merged: 0}, {H: 6, W: 4, Merged: 7, Top: 1}, {H: 18, W: 20, Merged: 270, Left: 1}, {H: 48, W: 24, Merged: 500, Top: 1, Left: 1}} {
		all = append(all, Network{Name: fmt.Sprint("MatchTokens", op), Flat: true, Build: func(g *graph.Graph) graph.Value {
			x := g.Param("x", 2, op.H*op.W, 70)
			place := g.MatchTokens(x, op)
			merged := g.MergeTokens(x, place, op.H*op.W-op.Merged)
			return g.Add(x, g.UnmergeTokens(g.Affine(merged, 3, 1), place))
		}})
	}
	return all
}

// Normed is a group norm of n pictures with a convolution, or a product of its
// pixels, and a residual behind: its result, and the normalised pictures.
func Normed(g *graph.Graph, n int, conv bool) []graph.Value {
	const c = 160
	x := g.Param("x", n, 5, 6, c)
	gamma, beta := g.Param("g", c), g.Param("b", c)
	if conv {
		sum := g.Add(x, g.Affine(g.Param("e", n, 1, 1, c), 3, 1))
		norm := g.GroupNorm(sum, gamma, beta, graph.GroupNorm{Groups: 32, Eps: 1e-5, SiLU: true})
		y := g.Conv2D(norm, g.Param("w", c, c, 3, 3), g.Param("bias", c), graph.Conv2D{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
		return []graph.Value{g.Add(y, x), norm}
	}
	norm := g.GroupNorm(x, gamma, beta, graph.GroupNorm{Groups: 32, Eps: 1e-6})
	return []graph.Value{g.Linear(g.Reshape(norm, n, 30, c), g.Param("w", 40, c), g.Param("bias", 40)), norm}
}

// FeedForwards are two feed-forwards, one with a residual and one without.
func FeedForwards(g *graph.Graph) graph.Value {
	const n, rows, c = 2, 96, 40
	x := g.Param("x", n, rows, c)
	for i := range 2 {
		name := func(what string) string { return fmt.Sprint(what, i) }
		h := g.LayerNorm(x, g.Param(name("gamma"), c), g.Param(name("beta"), c), 1e-5)
		h = g.GEGLU(g.Linear(h, g.Param(name("w"), 8*c, c), g.Param(name("b"), 8*c)))
		h = g.Linear(h, g.Param(name("v"), c, 4*c), g.Param(name("c"), c))
		if i == 0 {
			h = g.Add(h, x)
		}
		x = h
	}
	return x
}
