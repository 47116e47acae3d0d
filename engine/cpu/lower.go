package cpu

import (
	"fmt"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/layer"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// lower chooses the kernels of an operation.
func (c *compiler) lower(n *graph.Node) (lowered, error) {
	in := func(i int) graph.Shape { return n.Inputs[i].Shape() }
	switch op := n.Op.(type) {
	case graph.MatMul, graph.Conv2D, graph.Conv2DGradX, graph.Conv2DGradW:
		return c.lowerProduct(n, productOptions{})
	case graph.Unary:
		return lowerUnary(op), nil
	case graph.UnaryGrad:
		return lowerUnaryGrad(op), nil
	case graph.Binary:
		return lowerBinary(op, in(0), in(1)), nil
	case graph.Reduce:
		return lowerReduce(op, in(0)), nil
	case graph.Broadcast:
		return lowerBroadcast(op, in(0)), nil
	case graph.SquaredNorm:
		return lowered{}, nil // see bindSquares
	case graph.Transpose:
		return lowerTranspose(op, in(0)), nil
	case graph.Slice, graph.Pad, graph.Concat:
		return lowerCopies(n), nil
	case graph.GroupNorm, graph.GroupNormGrad, graph.LayerNorm, graph.LayerNormGrad:
		return c.lowerNorm(n), nil
	case graph.Attention:
		a := c.attention(op, in(0), in(1))
		// A block of queries is read before its result is written, and by no other task.
		return lowered{inPlace: []int{0}, alone: true, scratch: a.ScratchLen(c.workers, false), bind: func(b *binding) []par.Phase {
			return a.Forward(layer.AttentionArgs{Q: b.in[0], K: b.in[1], V: b.in[2], Y: b.out[0], LSE: b.out[1]}, b.scratch, c.workers)
		}}, nil
	case graph.AttentionGrad:
		a := c.attention(graph.Attention(op), in(0), in(1))
		return lowered{scratch: a.ScratchLen(c.workers, true), bind: func(b *binding) []par.Phase {
			x := layer.AttentionArgs{Q: b.in[0], K: b.in[1], V: b.in[2], Y: b.in[3], LSE: b.in[4]}
			return a.Backward(x, layer.AttentionGrads{DY: b.in[5], DQ: b.out[0], DK: b.out[1], DV: b.out[2]}, b.scratch, c.workers)
		}}, nil
	case graph.GEGLU, graph.GEGLUGrad, graph.Softmax, graph.SoftmaxGrad:
		return lowerRows(n), nil
	case graph.Upsample, graph.AvgPool, graph.MaxPool, graph.MaxPoolGrad:
		return lowerPool(n), nil
	case graph.Resize:
		x, y := in(0), n.Out[0].Shape
		r := layer.NewResize(op, x, y)
		return bound(func(b *binding) []par.Phase { return r.Forward(b.in[0], b.out[0]) }), nil
	case graph.Nearest:
		book := in(1)
		search := layer.Nearest{Rows: n.Out[0].Shape.Size(), K: book[0], D: book[1]}
		return bound(func(b *binding) []par.Phase { return search.Forward(b.in[0], b.in[1], b.outInts[0]) }), nil
	case graph.MatchTokens, graph.MergeTokens, graph.UnmergeTokens:
		return c.lowerTokens(n), nil
	case graph.Embedding:
		return c.lowerEmbedding(n), nil
	case graph.EmbeddingGrad:
		return lowerEmbeddingGrad(op, n), nil
	case graph.TimestepEmbedding:
		return lowerTimesteps(op), nil
	case graph.AdamW:
		return lowerAdamW(op), nil
	case graph.EMA:
		return lowerEMA(), nil
	case graph.Input, graph.Param, graph.Fill, graph.Reshape, graph.Detach:
		return lowered{}, nil // no step of their own
	}
	return lowered{}, fmt.Errorf("the processor's engine has no %s", opName(n))
}

// bound is an operation that needs nothing but its operands.
func bound(bind func(b *binding) []par.Phase) lowered { return lowered{bind: bind} }

// productOptions are what a product does besides.
type productOptions struct {
	add   bool // one more input is added to the result
	geglu bool // the result is value·GELU(gate) of the product's halves
	half  bool // and is written as bfloat16
}

// lowerProduct plans a product.
func (c *compiler) lowerProduct(n *graph.Node, opt productOptions) (lowered, error) {
	var plan *gemm.Plan
	x, w := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	switch op := n.Op.(type) {
	case graph.MatMul:
		s := c.matMul(n)
		s.GEGLU, s.HalfX, s.HalfY = opt.geglu, c.isHalf(n.Inputs[0]), opt.half
		plan = gemm.PlanMatMul(s, c.prec, c.workers)
	case graph.Conv2D:
		conv := convolution(op, x, w)
		conv.Training = c.trains(n)
		conv.Fresh = conv.Training
		conv.Normed = c.fused.normed[n] != nil
		if up := c.fused.enlarged[n]; up != nil {
			conv.Up = up.Op.(graph.Upsample).Factor
		}
		plan = gemm.PlanConv(conv, c.prec, c.workers)
	case graph.Conv2DGradX:
		conv := convolution(op.Conv, op.Shape, w)
		conv.Training, conv.Fresh = true, c.trains(n)
		plan = gemm.PlanConvGradX(conv, c.prec, c.workers)
	case graph.Conv2DGradW:
		conv := convolution(op.Conv, x, op.Shape)
		conv.Training = true
		plan = gemm.PlanConvGradW(conv, c.prec, c.workers)
	}
	weight := unshaped(n.Inputs[1].Node)
	param, isParam := weight.Op.(graph.Param)
	l := lowered{scratch: plan.ScratchLen, algorithm: plan.Algorithm, flops: plan.Flops}
	packsOnce := isParam && !c.updated[weight] && plan.PackedLen > 0
	var once layoutKey
	if packsOnce {
		l.unread = []int{1}
		if once = c.freeze(param.Name, plan); once.hold != tensor.F32 {
			l.scratch += plan.HalfLen
		}
	} else if plan.PackedLen > 0 {
		l.scratch = roundUp(plan.PackedLen, align) + max(plan.ScratchLen, plan.PackScratch(tensor.F32, tensor.F32))
	}
	norm := c.normOf(n)
	if norm != nil {
		l.scratch = norm.scratch(l.scratch)
	}
	l.bind = func(b *binding) (phases []par.Phase) {
		a := gemm.Args{X: b.in[0], W: b.in[1], Y: b.out[0], Scratch: b.scratch}
		if c.isHalf(n.Inputs[0]) {
			a.X, a.XHalf = nil, tensor.Halves(b.in[0])
		}
		if opt.half {
			a.Y, a.YHalf = nil, tensor.Halves(b.out[0])
		}
		if len(n.Inputs) == 3 {
			a.Bias = b.in[2]
		}
		if opt.add {
			a.Add = b.in[len(b.in)-1]
		}
		if norm != nil {
			phases = norm.bind(b, &a)
		}
		if packsOnce {
			packed := c.use(param.Name, once, plan)
			a.W, a.Half, a.Format = packed.F32, packed.Half, packed.Format
		} else if plan.PackedLen > 0 {
			packed, rest := a.Scratch[:plan.PackedLen], a.Scratch[roundUp(plan.PackedLen, align):]
			phases = append(phases, plan.Pack(gemm.Weights{F32: packed}, gemm.Weights{F32: a.W}, rest)...)
			a.W, a.Scratch = packed, rest
		}
		return append(phases, plan.Bind(a)...)
	}
	return l, nil
}

// origin is the value whose memory a reshaped one is, unshaped its node.
func origin(v graph.Value) graph.Value {
	for {
		if _, ok := v.Node.Op.(graph.Reshape); !ok {
			return v
		}
		v = v.Node.Inputs[0]
	}
}

func unshaped(n *graph.Node) *graph.Node { return origin(n.Output(0)).Node }

// trains tells whether a product's weights are updated.
func (c *compiler) trains(n *graph.Node) bool { return c.updated[unshaped(n.Inputs[1].Node)] }

func convolution(op graph.Conv2D, x, w graph.Shape) gemm.Conv {
	return gemm.Conv{
		N: x[0], H: x[1], W: x[2], C: x[3], O: w[0], KH: w[2], KW: w[3], Stride: op.Stride,
		PadTop: op.Top, PadBottom: op.Bottom, PadLeft: op.Left, PadRight: op.Right,
	}
}

func (c *compiler) attention(op graph.Attention, q, k graph.Shape) layer.Attention {
	return layer.Attention{
		N: q[0], T: q[1], S: k[1], Heads: op.Heads, D: q[2] / op.Heads, Scale: op.Scale, Causal: op.Causal, Products: c.small,
	}
}

// small are a worker's products inside of attentions, which run one after the other.
func (c *compiler) small(worker int) *gemm.Small {
	for len(c.smalls) <= worker {
		c.smalls = append(c.smalls, gemm.NewSmall(c.prec))
	}
	return c.smalls[worker]
}

func (c *compiler) lowerNorm(n *graph.Node) lowered {
	s := n.Inputs[0].Shape()
	width := s[len(s)-1]
	shift := func(b *binding) []float32 {
		if c.fused.shifted[n] == nil {
			return nil
		}
		return b.in[len(b.in)-1]
	}
	switch op := n.Op.(type) {
	case graph.GroupNorm:
		g := groupNorm(op, s)
		return lowered{inPlace: []int{0}, scratch: g.ScratchLen(c.workers), bind: func(b *binding) []par.Phase {
			x := layer.NormArgs{X: b.in[0], Added: shift(b), Gamma: b.in[1], Beta: b.in[2], Y: b.out[0], Stats: b.out[1]}
			return g.Forward(x, b.scratch, c.workers)
		}}
	case graph.GroupNormGrad:
		g := groupNorm(graph.GroupNorm(op), s)
		return lowered{scratch: g.BackwardScratchLen(c.workers), bind: func(b *binding) []par.Phase {
			x := layer.NormArgs{X: b.in[0], Added: shift(b), Gamma: b.in[1], Beta: b.in[2], Stats: b.in[3]}
			return g.Backward(x, layer.NormGrads{DY: b.in[4], DX: b.out[0], DGamma: b.out[1], DBeta: b.out[2]}, b.scratch, c.workers)
		}}
	case graph.LayerNorm:
		norm := layer.LayerNorm{Rows: s.Size() / width, C: width, Eps: op.Eps}
		if c.fused.halves[n.Output(0)] {
			return bound(func(b *binding) []par.Phase {
				return norm.ForwardHalf(layer.NormArgs{X: b.in[0], Gamma: b.in[1], Beta: b.in[2]}, tensor.Halves(b.out[0]), c.workers)
			})
		}
		l := bound(func(b *binding) []par.Phase {
			return norm.Forward(layer.NormArgs{X: b.in[0], Gamma: b.in[1], Beta: b.in[2], Y: b.out[0], Stats: b.out[1]})
		})
		l.inPlace = []int{0}
		return l
	}
	op := n.Op.(graph.LayerNormGrad)
	return bound(func(b *binding) []par.Phase {
		norm := layer.LayerNorm{Rows: s.Size() / width, C: width, Eps: op.Eps}
		x := layer.NormArgs{X: b.in[0], Gamma: b.in[1], Stats: b.in[2]}
		return norm.Backward(x, layer.NormGrads{DY: b.in[3], DX: b.out[0], DGamma: b.out[1], DBeta: b.out[2]})
	})
}

func lowerRows(n *graph.Node) lowered {
	s := n.Inputs[0].Shape()
	c := s[len(s)-1]
	rows := s.Size() / c
	switch n.Op.(type) {
	case graph.GEGLU:
		return bound(func(b *binding) []par.Phase { return layer.GEGLU{Rows: rows, C: c / 2}.Forward(b.in[0], b.out[0]) })
	case graph.GEGLUGrad:
		return bound(func(b *binding) []par.Phase {
			return layer.GEGLU{Rows: rows, C: c / 2}.Backward(b.in[0], b.in[1], b.out[0])
		})
	case graph.Softmax:
		return bound(func(b *binding) []par.Phase { return layer.Softmax{Rows: rows, C: c}.Forward(b.in[0], b.out[0]) })
	}
	return bound(func(b *binding) []par.Phase {
		return layer.Softmax{Rows: rows, C: c}.Backward(b.in[0], b.in[1], b.out[0])
	})
}

func lowerPool(n *graph.Node) lowered {
	x, y := n.Inputs[0].Shape(), n.Out[0].Shape
	maxPool := func(kernel, stride int) layer.MaxPool {
		return layer.MaxPool{N: x[0], H: x[1], W: x[2], C: x[3], Kernel: kernel, Stride: stride}
	}
	switch op := n.Op.(type) {
	case graph.Upsample:
		u := layer.Upsample{N: x[0], H: x[1], W: x[2], C: x[3], Factor: op.Factor}
		return bound(func(b *binding) []par.Phase { return u.Forward(b.in[0], b.out[0]) })
	case graph.AvgPool:
		a := layer.AvgPool{N: y[0], H: y[1], W: y[2], C: y[3], Factor: op.Factor}
		return bound(func(b *binding) []par.Phase { return a.Forward(b.in[0], b.out[0]) })
	case graph.MaxPool:
		return bound(func(b *binding) []par.Phase { return maxPool(op.Kernel, op.Stride).Forward(b.in[0], b.out[0]) })
	}
	op := n.Op.(graph.MaxPoolGrad)
	return bound(func(b *binding) []par.Phase {
		return maxPool(op.Kernel, op.Stride).Backward(b.in[0], b.in[1], b.in[2], b.out[0])
	})
}
