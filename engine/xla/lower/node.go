package lower

import (
	"fmt"

	"github.com/ldm-go/ldm/graph"
)

// node writes one operation of the graph.
func (l *lowering) node(n *graph.Node) error {
	switch op := n.Op.(type) {
	case graph.Input, graph.Param:
	case graph.AdamW, graph.EMA:
		l.update(n)
	case graph.GroupNorm:
		l.groupNorm(n, op)
	case graph.GroupNormGrad:
		l.groupNormGrad(n, op)
	case graph.LayerNorm:
		l.layerNorm(n, op)
	case graph.LayerNormGrad:
		l.layerNormGrad(n)
	case graph.Attention:
		l.attention(n, op)
	case graph.AttentionGrad:
		l.attentionGrad(n, op)
	case graph.Conv2DGradW:
		l.values[n.Output(0)] = l.conv2DGradW(n, op)
	case graph.Binary:
		l.values[n.Output(0)] = l.binaryOp(n, op)
	case graph.Detach:
		l.values[n.Output(0)] = l.stored(n.Inputs[0])
	default:
		v, err := l.single(n)
		if err != nil {
			return err
		}
		l.set(n, 0, v)
	}
	return nil
}

// single writes an operation with one result in the graph's order.
func (l *lowering) single(n *graph.Node) (val, error) {
	out := n.Out[0].Shape
	switch op := n.Op.(type) {
	case graph.Fill:
		return l.fill(float64(op.Value), f32(out...)), nil
	case graph.Unary:
		return l.unaryOp(op, l.in(n, 0)), nil
	case graph.UnaryGrad:
		return l.unaryGrad(op, l.in(n, 0), l.in(n, 1)), nil
	case graph.Reshape:
		return l.reshape(l.in(n, 0), out...), nil
	case graph.Transpose:
		return l.transpose(l.in(n, 0), op.Perm...), nil
	case graph.Slice:
		return l.slice(l.in(n, 0), op.Axis, op.Start, op.Len, 1), nil
	case graph.Pad:
		return l.pad(l.in(n, 0), op.Axis, op.Before, op.After, 0), nil
	case graph.Concat:
		parts := make([]val, len(n.Inputs))
		for i := range parts {
			parts[i] = l.in(n, i)
		}
		return l.concat(op.Axis, parts...), nil
	case graph.Broadcast:
		return l.spread(l.in(n, 0), out), nil
	case graph.Reduce:
		return l.reduceOp(l.in(n, 0), op), nil
	case graph.SquaredNorm:
		return l.squaredNorm(n), nil
	case graph.MatMul:
		return l.matMul(n, op), nil
	case graph.Conv2D:
		return l.conv2D(n, op), nil
	case graph.Conv2DGradX:
		return l.conv2DGradX(n, op), nil
	}
	return l.rare(n)
}

// rare goes on with single.
func (l *lowering) rare(n *graph.Node) (val, error) {
	switch op := n.Op.(type) {
	case graph.GEGLU:
		return l.geglu(l.in(n, 0)), nil
	case graph.GEGLUGrad:
		return l.gegluGrad(l.in(n, 0), l.in(n, 1)), nil
	case graph.Softmax:
		return l.softmax(l.in(n, 0)), nil
	case graph.SoftmaxGrad:
		return l.softmaxGrad(l.in(n, 0), l.in(n, 1)), nil
	case graph.Upsample:
		return l.upsample(l.in(n, 0), op.Factor), nil
	case graph.AvgPool:
		return l.avgPool(l.in(n, 0), op.Factor), nil
	case graph.MaxPool:
		return l.maxPool(n, op), nil
	case graph.MaxPoolGrad:
		return l.maxPoolGrad(n, op), nil
	case graph.Resize:
		return l.resize(n, op), nil
	case graph.Embedding:
		l.lookup(n, n.Inputs[1], n.Inputs[0].Dim(0))
		return l.embedding(n), nil
	case graph.EmbeddingGrad:
		l.lookup(n, n.Inputs[0], op.Rows)
		return l.embeddingGrad(n), nil
	case graph.TimestepEmbedding:
		return l.timesteps(n, op), nil
	case graph.Nearest:
		return l.nearest(n), nil
	case graph.MatchTokens:
		return l.matchTokens(n, op), nil
	case graph.MergeTokens:
		return l.mergeTokens(n, op), nil
	case graph.UnmergeTokens:
		return l.unmergeTokens(n), nil
	}
	return val{}, fmt.Errorf("the operation %T cannot be written as StableHLO", n.Op)
}

// reduceOp folds axes to length 1. What becomes one number is added up in parts.
func (l *lowering) reduceOp(x val, op graph.Reduce) val {
	shape := append(graph.Shape(nil), x.shape...)
	count := 1
	for _, a := range op.Axes {
		count *= shape[a]
		shape[a] = 1
	}
	var y val
	if shape.Size() == 1 {
		y = l.reshape(l.total(x), shape...)
	} else {
		y = l.keep("add", x, op.Axes...)
	}
	if op.Fn == graph.ReduceMean {
		y = l.affine(y, 1/float64(count), 0)
	}
	return y
}
