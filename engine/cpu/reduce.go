package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// sumBlock is the number of rows added up in float32 before going to float64.
const sumBlock = 64

// lowerReduce folds neighbouring axes: the array is [outer, rows, inner] and
// the rows are summed, in blocks of fixed size. Axes that are not neighbours
// are folded one group after the other.
func lowerReduce(op graph.Reduce, shape graph.Shape) lowered {
	outer, rows, inner, simple := folded(op.Axes, shape)
	if !simple {
		return reduceAnywhere(op, shape)
	}
	scale := 1.0
	if op.Fn == graph.ReduceMean {
		scale = 1 / float64(rows)
	}
	if inner == 1 && rows%16 == 0 { // one long row: sixteen columns are quicker
		inner, rows = 16, rows/16
	}
	return bound(func(b *binding) []par.Phase { return sumRows(b.in[0], b.out[0], outer, rows, inner, scale) })
}

// folded views a shape as [outer, rows, inner] if the axes are neighbours.
func folded(axes []int, shape graph.Shape) (outer, rows, inner int, ok bool) {
	outer, rows, inner = 1, 1, 1
	ok = true
	first, last := len(shape), len(shape)-1
	if len(axes) > 0 {
		first, last = axes[0], axes[len(axes)-1]
	}
	in := map[int]bool{}
	for _, a := range axes {
		in[a] = true
	}
	for i, d := range shape {
		switch {
		case i < first:
			outer *= d
		case i > last:
			inner *= d
		default:
			ok = ok && (in[i] || d == 1)
			rows *= d
		}
	}
	return outer, rows, inner, ok
}

// sumRows sums x [outer, rows, inner] over rows into y [outer, inner], or
// [outer] where a single number was spread over inner columns.
func sumRows(x, y []float32, outer, rows, inner int, scale float64) []par.Phase {
	block := max(1<<15/inner, 1)
	blocks := (rows + block - 1) / block
	partial := make([]float64, outer*blocks*inner)
	sums := make([]float32, outer*blocks*inner)
	own := make([]vec.Rows, outer*blocks)
	spread := len(y) != outer*inner
	return []par.Phase{
		{Name: "sum", Tasks: outer * blocks, Run: func(task, _ int) {
			o, k := task/blocks, task%blocks
			total, sum := partial[task*inner:][:inner], sums[task*inner:][:inner]
			clear(total)
			for r := k * block; r < min((k+1)*block, rows); r += sumBlock {
				end := min(r+sumBlock, (k+1)*block, rows)
				clear(sum)
				own[task].Sum(x[(o*rows+r)*inner:(o*rows+end)*inner], sum)
				for i, v := range sum {
					total[i] += float64(v)
				}
			}
		}},
		{Name: "sum", Tasks: (outer + 63) / 64, Run: func(task, _ int) {
			for o := task * 64; o < min((task+1)*64, outer); o++ {
				var all float64
				for i := range inner {
					var v float64
					for k := range blocks {
						v += partial[(o*blocks+k)*inner+i]
					}
					if !spread {
						y[o*inner+i] = float32(v * scale)
					}
					all += v
				}
				if spread {
					y[o] = float32(all * scale)
				}
			}
		}},
	}
}

// reduceAnywhere folds any axes, slowly.
func reduceAnywhere(op graph.Reduce, shape graph.Shape) lowered {
	out := append(graph.Shape(nil), shape...)
	count := 1
	for _, a := range op.Axes {
		count *= shape[a]
		out[a] = 1
	}
	scale := 1.0
	if op.Fn == graph.ReduceMean {
		scale = 1 / float64(count)
	}
	total := make([]float64, out.Size())
	return bound(func(b *binding) []par.Phase {
		x, y := b.in[0], b.out[0]
		phase := repeated("sum", shape, out, func(at, n, to int, whole bool) {
			for i, v := range x[at : at+n] {
				if whole {
					total[to+i] += float64(v)
				} else {
					total[to] += float64(v)
				}
			}
		})[0]
		return []par.Phase{par.Serial("sum", func() {
			clear(total)
			for t := range phase.Tasks {
				phase.Run(t, 0)
			}
			for i, v := range total {
				y[i] = float32(v * scale)
			}
		})}
	})
}
