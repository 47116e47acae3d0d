package lower

import (
	"math"
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// embedding looks rows up; indices outside the table are found on the host before.
func (l *lowering) embedding(n *graph.Node) val { return l.gather(l.in(n, 0), l.in(n, 1)) }

// gather is rows of a table [R, C] by ids of any shape.
func (l *lowering) gather(table, ids val) val {
	rank := len(ids.shape)
	t := f32(append(append(graph.Shape(nil), ids.shape...), table.shape[1])...)
	return l.line(t, `"stablehlo.gather"(%s, %s) <{dimension_numbers = #stablehlo.gather<offset_dims = [%d], collapsed_slice_dims = [0], `+
		`start_index_map = [0], index_vector_dim = %d>, indices_are_sorted = false, slice_sizes = array<i64: 1, %d>}> : (%s, %s) -> %s`,
		table.id, ids.id, rank, rank, table.shape[1], table.typ, ids.typ, t)
}

// embeddingGrad adds rows of the gradient up.
func (l *lowering) embeddingGrad(n *graph.Node) val {
	ids, dy := l.in(n, 0), l.in(n, 1)
	t := typeOf(n.Out[0])
	count := ids.shape.Size()
	return l.scatterAdd(l.reshape(ids, count), l.reshape(dy, count, t.shape[1]), t.shape[0])
}

// scatterAdd adds each of the rows x [K, C] to that of its id, of so many rows.
func (l *lowering) scatterAdd(ids, x val, rows int) val {
	t := f32(rows, x.shape[1])
	zero := l.fill(0, t)
	return l.line(t, strings.Join([]string{
		`"stablehlo.scatter"(%s, %s, %s) <{indices_are_sorted = false, scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1], ` +
			`inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, unique_indices = false}> ({`,
		`    ^bb0(%%a: tensor<f32>, %%b: tensor<f32>):`,
		`      %%s = stablehlo.add %%a, %%b : tensor<f32>`,
		`      stablehlo.return %%s : tensor<f32>`,
		`    }) : (%s, %s, %s) -> %s`}, "\n"), zero.id, ids.id, x.id, t, ids.typ, x.typ, t)
}

// timesteps are cosines and sines. The angles are float64: at timestep 999 float32 has
// but four digits behind the point.
func (l *lowering) timesteps(n *graph.Node, op graph.TimestepEmbedding) val {
	t := l.in(n, 0)
	half := op.Dim / 2
	freqs := make([]float64, half)
	for i := range freqs { // rounded as in the reference
		exponent := float32(-math.Log(float64(op.MaxPeriod))) * float32(i) / float32(half)
		freqs[i] = float64(float32(math.Exp(float64(exponent))))
	}
	shape := graph.Shape{t.shape[0], half}
	angle := l.mul(l.spread(l.convert(t, "f64"), shape, 0), l.spread(l.table(freqs, "f64", half), shape))
	y := l.concat(1, l.convert(l.unary("cosine", angle), "f32"), l.convert(l.unary("sine", angle), "f32"))
	return l.pad(y, 1, 0, op.Dim-2*half, 0)
}

// nearest is the first row of a codebook at the least distance. The distances are sums
// of squared differences, which lose no digits where vectors are long and near to each
// other.
func (l *lowering) nearest(n *graph.Node) val {
	z, book := l.in(n, 0), l.in(n, 1)
	k, d := book.shape[0], book.shape[1]
	count := z.shape.Size() / d
	all := graph.Shape{count, k, d}
	diff := l.sub(l.spread(l.reshape(z, count, d), all, 0, 2), l.spread(book, all))
	distance := l.reduce("add", l.mul(diff, diff), 2)
	least := l.spread(l.reduce("minimum", distance, 1), distance.shape, 0)
	index := l.iota(1, count, k)
	none := l.fill(float64(k-1), index.typ) // where all are NaN
	first := l.reduce("minimum", l.choose(l.compare("LE", distance, least), index, none), 1)
	return l.reshape(first, n.Out[0].Shape...)
}
