package cpu

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// A network under test builds its result from parameters it names.
type network struct {
	name  string
	ids   map[string][]int32 // int inputs
	build func(g *graph.Graph) graph.Value
}

func unaryNetworks() []network {
	var all []network
	for fn := graph.SiLU; fn <= graph.Clamp; fn++ {
		all = append(all, network{name: fn.String(), build: func(g *graph.Graph) graph.Value {
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

func networks() []network {
	all := unaryNetworks()
	add := func(name string, build func(g *graph.Graph) graph.Value) {
		all = append(all, network{name: name, build: build})
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
	add("Conv2D of a GroupNorm", func(g *graph.Graph) graph.Value { return normedNetwork(g, 3, true)[0] }) // which is fused
	add("Linear of a GroupNorm", func(g *graph.Graph) graph.Value { return normedNetwork(g, 2, false)[0] })
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
	add("FeedForward", transformer) // which is fused
	add("Softmax", func(g *graph.Graph) graph.Value { return g.Softmax(g.Param("x", 2, 9, 21)) })
	add("Upsample", func(g *graph.Graph) graph.Value { return g.Upsample(g.Param("x", 3, 2, 3, 5), 2) })
	add("AvgPool", func(g *graph.Graph) graph.Value { return g.AvgPool(g.Param("x", 3, 4, 6, 5), 2) })
	add("MaxPool", func(g *graph.Graph) graph.Value { return g.MaxPool(g.Param("x", 3, 6, 7, 5), 3, 2) })
	all = append(all, network{"Embedding", map[string][]int32{"ids": {3, 0, 3, 1}}, func(g *graph.Graph) graph.Value {
		e := g.Embedding(g.Param("table", 5, 12), g.IntInput("ids", 2, 2))
		t := g.Reshape(g.TimestepEmbedding(g.Concat(0, g.Fill(1, 1), g.Fill(998.25, 1)), 12), 2, 1, 12)
		return g.Add(e, t)
	}})
	add("SquaredNorm", func(g *graph.Graph) graph.Value {
		x := g.Param("x", 7, 9)
		n := g.Broadcast(g.Reshape(g.SquaredNorm(g.Fill(2, 40000), g.Fill(3, 5)), 1, 1), 7, 9)
		return g.Mul(x, n)
	})
	return all
}

// compile loads vars for one program.
func compile(g *graph.Graph, outputs []graph.Value, vars engine.Vars, opt engine.Options, with Options) (*Program, error) {
	e := New(with)
	w, err := e.Load(vars, engine.LoadOptions{})
	if err != nil {
		return nil, err
	}
	p, err := e.Compile(g, outputs, w, opt)
	if err != nil {
		return nil, err
	}
	return p.(*Program), nil
}

// objective is a weighted sum of the network's result, so that every element
// matters, together with the gradients of its parameters.
func objective(n network) (g *graph.Graph, y, loss graph.Value, params, grads []graph.Value) {
	g = graph.New()
	y = n.build(g)
	weight := g.Input("weight", y.Shape()...)
	loss = g.ReduceAll(graph.ReduceSum, g.Mul(y, weight))
	params = g.Params()
	grads = g.Gradients(loss, params)
	return g, y, loss, params, grads
}

func fill(key string, shape graph.Shape) *tensor.Tensor {
	t := tensor.New(shape...)
	seed := uint64(0)
	for _, r := range key {
		seed = seed*131 + uint64(r)
	}
	tensor.NewStream(seed, uint64(shape.Size())).Normal(t.F32)
	return t
}

func floats64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func relErr(got []float32, want []float64) float64 {
	var worst, scale float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(w))
	}
	return worst / max(scale, 1e-6)
}

// TestOperations holds every operation against the twin, and every gradient
// against finite differences of the twin along a random direction.
func TestOperations(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range networks() {
		for _, precision := range []engine.Precision{engine.F32, engine.BF16} {
			t.Run(n.name+"/"+precision.String(), func(t *testing.T) {
				checkNetwork(t, n, precision, seen)
			})
		}
	}
	for _, name := range []string{"Input", "Param", "Fill", "Unary", "UnaryGrad", "Binary", "Reduce", "Broadcast", "SquaredNorm", "Reshape", "Transpose", "Slice", "Pad", "Concat", "MatMul", "Conv2D", "Conv2DGradX", "Conv2DGradW", "Upsample", "AvgPool", "MaxPool", "MaxPoolGrad", "GroupNorm", "GroupNormGrad", "LayerNorm", "LayerNormGrad", "Attention", "AttentionGrad", "GEGLU", "GEGLUGrad", "Softmax", "SoftmaxGrad", "Embedding", "EmbeddingGrad", "TimestepEmbedding"} {
		if !seen[name] {
			t.Errorf("no network uses %s", name)
		}
	}
}

func checkNetwork(t *testing.T, n network, precision engine.Precision, seen map[string]bool) {
	g, y, loss, params, grads := objective(n)
	vars := engine.Vars{}
	floats := map[string][]float64{}
	for _, p := range params {
		name := p.Node.Op.(graph.Param).Name
		vars[name] = fill(name, p.Shape())
		floats[name] = floats64(vars[name].F32)
	}
	valueTol, gradTol := 3e-6, 2e-4
	if isa.Current() >= isa.AMX { // split products
		valueTol = 3e-5
	}
	if precision == engine.BF16 {
		valueTol, gradTol = 2e-2, 5e-2
	}
	opt := engine.Options{Precision: precision}
	run := func(outputs ...graph.Value) engine.Program {
		prog, err := compile(g, outputs, vars, opt, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		if weight := prog.Input("weight"); weight != nil {
			copy(weight.F32, fill("weight", weight.Shape).F32)
			floats["weight"] = floats64(weight.F32)
		}
		for name, ids := range n.ids {
			copy(prog.Input(name).I32, ids)
		}
		if err := prog.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return prog
	}
	for _, node := range g.Nodes() {
		seen[opName(node)] = true
	}
	prog := run(append([]graph.Value{y, loss}, grads...)...)
	want := twin(y, floats, n.ids)
	if e := relErr(prog.Output(0).F32, want); !(e < valueTol) {
		t.Errorf("value: error %g", e)
	}
	if e := relErr(run(y).Output(0).F32, want); !(e < valueTol) { // without gradients more is fused
		t.Errorf("value alone: error %g", e)
	}
	const h = 1e-5
	for i, p := range params {
		name := p.Node.Op.(graph.Param).Name
		direction := floats64(fill("direction "+name, p.Shape()).F32)
		at := func(s float64) float64 {
			moved := map[string][]float64{}
			for k, v := range floats {
				moved[k] = v
			}
			x := append([]float64(nil), floats[name]...)
			for j := range x {
				x[j] += s * direction[j]
			}
			moved[name] = x
			return twin(loss, moved, n.ids)[0]
		}
		want := (at(h) - at(-h)) / (2 * h)
		var got, size float64
		for j, d := range prog.Output(2 + i).F32 {
			got += float64(d) * direction[j]
			size += float64(d) * float64(d)
		}
		if math.Abs(got-want) > gradTol*max(math.Sqrt(size), math.Abs(want), 1e-2) {
			t.Errorf("gradient of %s along a direction: %g, want %g", name, got, want)
		}
	}
}

// TestSameBits: the number of threads changes no bit.
func TestSameBits(t *testing.T) {
	for _, n := range networks() {
		var first [][]float32
		for _, threads := range []int{1, 4} {
			g, y, loss, params, grads := objective(n)
			vars := engine.Vars{}
			for _, p := range params {
				name := p.Node.Op.(graph.Param).Name
				vars[name] = fill(name, p.Shape())
			}
			outputs := append([]graph.Value{y, loss}, grads...)
			prog, err := compile(g, outputs, vars, engine.Options{}, Options{Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			w := prog.Input("weight")
			copy(w.F32, fill("weight", w.Shape).F32)
			for name, ids := range n.ids {
				copy(prog.Input(name).I32, ids)
			}
			if err := prog.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i := range outputs {
				if threads == 1 {
					first = append(first, append([]float32(nil), prog.Output(i).F32...))
					continue
				}
				for j, v := range prog.Output(i).F32 {
					if math.Float32bits(v) != math.Float32bits(first[i][j]) {
						t.Fatalf("%s: output %d differs between 1 and 4 threads", n.name, i)
					}
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	g := graph.New()
	y := g.Embedding(g.Param("table", 4, 3), g.IntInput("ids", 2))
	if _, err := compile(g, []graph.Value{y}, engine.Vars{"table": tensor.New(5, 3)}, engine.Options{}, Options{}); err == nil || !strings.Contains(err.Error(), "table is [5 3], want [4 3]") {
		t.Errorf("misshapen parameter: %v", err)
	}
	prog, err := compile(g, []graph.Value{y}, engine.Vars{"table": tensor.New(4, 3)}, engine.Options{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	prog.Input("ids").I32[1] = 4
	if err := prog.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "index 4: want 0 to 3") {
		t.Errorf("index outside of the table: %v", err)
	}
}
