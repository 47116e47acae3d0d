package lower

import (
	"fmt"

	"github.com/ldm-go/ldm/graph"
)

// pairs are axes of both operands of a product.
type pairs struct{ a, b []int }

// dot is a product: batch axes go along, contracted ones are summed over; the result's
// axes are the batch, the others of a, and the others of b.
func (e *emitter) dot(a, b val, batch, contract pairs) val {
	return e.dotExact(e.rounded(a), e.rounded(b), batch, contract)
}

// rounded is an operand of a product as the precision asks for it.
func (e *emitter) rounded(x val) val {
	switch e.round {
	case BF16:
		return e.convert(x, "bf16")
	case WideBF16:
		return e.line(x.typ, "stablehlo.reduce_precision %s, format = e8m7 : %s", x.id, x.typ)
	}
	return x
}

// dotExact is dot in the operands' own format, with sums in float32.
func (e *emitter) dotExact(a, b val, batch, contract pairs) val {
	var shape graph.Shape
	for _, i := range batch.a {
		shape = append(shape, a.shape[i])
	}
	free := func(v val, used ...[]int) {
		for i, d := range v.shape {
			if !contains(i, used...) {
				shape = append(shape, d)
			}
		}
	}
	free(a, batch.a, contract.a)
	free(b, batch.b, contract.b)
	t := f32(shape...)
	batching := ""
	if len(batch.a) > 0 {
		batching = fmt.Sprintf("batching_dims = %s x %s, ", list(batch.a), list(batch.b))
	}
	return e.line(t, "stablehlo.dot_general %s, %s, %scontracting_dims = %s x %s, precision = %s : (%s, %s) -> %s",
		a.id, b.id, batching, list(contract.a), list(contract.b), e.precisions(a, "[%s, %s]"), a.typ, b.typ, t)
}

func contains(i int, lists ...[]int) bool {
	for _, l := range lists {
		for _, v := range l {
			if v == i {
				return true
			}
		}
	}
	return false
}

// precisions asks for sums of full float32 products, where some cards would round
// operands to fewer digits by themselves, or lets them where that is wanted.
func (e *emitter) precisions(a val, format string) string {
	p := "HIGHEST"
	switch {
	case a.elem != "f32":
		p = "DEFAULT"
	case e.round == TF32:
		p = "HIGH"
	}
	return fmt.Sprintf(format, p, p)
}

// matMul lowers graph.MatMul.
func (l *lowering) matMul(n *graph.Node, op graph.MatMul) val {
	a, b := l.in(n, 0), l.in(n, 1)
	if op.TransA {
		rows := func(v val) val { c := v.shape[len(v.shape)-1]; return l.reshape(v, v.shape.Size()/c, c) }
		return l.dot(rows(a), rows(b), pairs{}, pairs{[]int{0}, []int{0}})
	}
	k := 0
	if op.TransB {
		k = 1
	}
	y := l.dot(a, b, pairs{}, pairs{[]int{len(a.shape) - 1}, []int{k}})
	return l.bias(n, y)
}

// bias adds input 2, if there is one.
func (l *lowering) bias(n *graph.Node, y val) val {
	if len(n.Inputs) < 3 {
		return y
	}
	return l.add(y, l.spread(l.in(n, 2), y.shape))
}

// window is the geometry of a convolution.
type window struct {
	stride           int
	pad              [2][2]int // before and after, of rows and columns
	dilateX, dilateW int
	reverse          bool
}

// conv is a convolution whose axes are named as StableHLO does: b and f of the picture,
// i and o of the weight, 0 and 1 for rows and columns.
func (e *emitter) conv(x, w val, dims string, win window, t typ) val {
	x, w = e.rounded(x), e.rounded(w)
	return e.line(t, "stablehlo.convolution(%s, %s) dim_numbers = %s, window = {stride = [%d, %d], pad = [[%d, %d], [%d, %d]], "+
		"lhs_dilate = [%d, %d], rhs_dilate = [%d, %d], reverse = [%t, %t]} {batch_group_count = 1 : i64, "+
		"feature_group_count = 1 : i64, precision_config = %s} : (%s, %s) -> %s",
		x.id, w.id, dims, win.stride, win.stride, win.pad[0][0], win.pad[0][1], win.pad[1][0], win.pad[1][1],
		win.dilateX, win.dilateX, win.dilateW, win.dilateW, win.reverse, win.reverse,
		e.precisions(x, "[#stablehlo<precision %s>, #stablehlo<precision %s>]"), x.typ, w.typ, t)
}

// pointwise tells whether a convolution is a product of each pixel.
func pointwise(op graph.Conv2D, w graph.Shape) bool {
	return w[2] == 1 && w[3] == 1 && op == graph.Conv2D{Stride: 1}
}

// conv2D lowers graph.Conv2D: a pointwise one to a product, others by the weight's
// order in memory.
func (l *lowering) conv2D(n *graph.Node, op graph.Conv2D) val {
	x, shape := l.in(n, 0), n.Inputs[1].Shape()
	if pointwise(op, shape) {
		w := l.reshape(l.in(n, 1), shape[0], shape[1])
		return l.bias(n, l.dot(x, w, pairs{}, pairs{[]int{3}, []int{1}}))
	}
	w := l.stored(n.Inputs[1])
	dims := "[b, 0, 1, f]x[o, i, 0, 1]->[b, 0, 1, f]"
	if w.hwio {
		dims = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
	}
	win := window{op.Stride, [2][2]int{{op.Top, op.Bottom}, {op.Left, op.Right}}, 1, 1, false}
	return l.bias(n, l.conv(x, w.val, dims, win, typeOf(n.Out[0])))
}

// conv2DGradX convolves the gradient, with zeros between its pixels where there is a
// stride, with the weight turned round.
func (l *lowering) conv2DGradX(n *graph.Node, op graph.Conv2DGradX) val {
	d, shape := l.in(n, 0), n.Inputs[1].Shape()
	if pointwise(op.Conv, shape) {
		w := l.reshape(l.in(n, 1), shape[0], shape[1])
		return l.dot(d, w, pairs{}, pairs{[]int{3}, []int{0}})
	}
	w := l.stored(n.Inputs[1])
	dims := "[b, 0, 1, f]x[i, o, 0, 1]->[b, 0, 1, f]"
	if w.hwio {
		dims = "[b, 0, 1, f]x[0, 1, o, i]->[b, 0, 1, f]"
	}
	pad := func(size, out, k, before int) [2]int {
		low := k - 1 - before
		return [2]int{low, size + k - 2 - (out-1)*op.Conv.Stride - low}
	}
	win := window{1, [2][2]int{
		pad(op.Shape[1], d.shape[1], shape[2], op.Conv.Top), pad(op.Shape[2], d.shape[2], shape[3], op.Conv.Left),
	}, op.Conv.Stride, 1, true}
	return l.conv(d, w.val, dims, win, typeOf(n.Out[0]))
}

// conv2DGradW convolves the picture with the gradient: channels take the place of
// pictures, and pictures that of channels. It writes what the weight's order is.
func (l *lowering) conv2DGradW(n *graph.Node, op graph.Conv2DGradW) value {
	x, d, s := l.in(n, 0), l.in(n, 1), op.Shape
	if pointwise(op.Conv, s) {
		rows := func(v val) val { return l.reshape(v, v.shape.Size()/v.shape[3], v.shape[3]) }
		w := l.dot(rows(d), rows(x), pairs{}, pairs{[]int{0}, []int{0}})
		return value{val: l.reshape(w, s...)}
	}
	pad := func(size, out, k, before int) [2]int {
		return [2]int{before, k + (out-1)*op.Conv.Stride - size - before}
	}
	win := window{1, [2][2]int{
		pad(x.shape[1], d.shape[1], s[2], op.Conv.Top), pad(x.shape[2], d.shape[2], s[3], op.Conv.Left),
	}, 1, op.Conv.Stride, false}
	w := l.conv(x, d, "[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]", win, f32(s[2], s[3], s[1], s[0]))
	return value{w, true}
}
