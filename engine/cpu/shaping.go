package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
)

// lowerCopies makes Slice and Pad into copies of runs: every array is
// [outer, its share of the axis · inner].
func lowerCopies(n *graph.Node) lowered {
	var axis int
	switch op := n.Op.(type) {
	case graph.Slice:
		axis = op.Axis
	case graph.Pad:
		axis = op.Axis
	case graph.Concat:
		return lowerConcat(op, n)
	}
	y := n.Out[0].Shape
	outer, inner := y[:axis].Size(), y[axis+1:].Size()
	block := max(blockSize/max(y[axis:].Size(), 1), 1)
	return bound(func(b *binding) []par.Phase {
		return []par.Phase{{Name: "copy", Tasks: (outer + block - 1) / block, Run: func(task, _ int) {
			for o := task * block; o < min((task+1)*block, outer); o++ {
				copyRun(n, b, o, axis, inner)
			}
		}}}
	})
}

// copyRun does the copies of one outer index.
func copyRun(n *graph.Node, b *binding, o, axis, inner int) {
	width := n.Out[0].Shape[axis] * inner
	row := b.out[0][o*width:][:width]
	switch op := n.Op.(type) {
	case graph.Slice:
		from := o*n.Inputs[0].Dim(axis) + op.Start
		copy(row, b.in[0][from*inner:])
	case graph.Pad:
		size := n.Inputs[0].Dim(axis) * inner
		clear(row[:op.Before*inner])
		copy(row[op.Before*inner:], b.in[0][o*size:][:size])
		clear(row[op.Before*inner+size:])
	}
}

// lowerTranspose copies runs where the last axis stays, and numbers elsewhere.
func lowerTranspose(op graph.Transpose, in graph.Shape) lowered {
	rank := len(in)
	out, stride := make(graph.Shape, rank), make([]int, rank)
	for i, p := range op.Perm {
		out[i], stride[i] = in[p], in[p+1:].Size()
	}
	last := rank - 1
	n := out[last]
	rows := out.Size() / max(n, 1)
	block := max(blockSize/n, 1)
	return bound(func(b *binding) []par.Phase {
		x, y := b.in[0], b.out[0]
		return []par.Phase{{Name: "transpose", Tasks: (rows + block - 1) / block, Run: func(task, _ int) {
			for r := task * block; r < min((task+1)*block, rows); r++ {
				from, rest := 0, r
				for i := last - 1; i >= 0; i-- {
					from += rest % out[i] * stride[i]
					rest /= out[i]
				}
				row := y[r*n:][:n]
				if stride[last] == 1 {
					copy(row, x[from:])
					continue
				}
				for i := range row {
					row[i] = x[from+i*stride[last]]
				}
			}
		}}}
	})
}
