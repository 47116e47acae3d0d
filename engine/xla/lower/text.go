package lower

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// typ is the type of a value of the text.
type typ struct {
	elem  string // f32, bf16, f64, i32, i1
	shape graph.Shape
}

func (t typ) String() string {
	var b strings.Builder
	b.WriteString("tensor<")
	for _, d := range t.shape {
		fmt.Fprintf(&b, "%dx", d)
	}
	return b.String() + t.elem + ">"
}

// as is a type of other numbers, and of another shape.
func (t typ) as(elem string) typ      { return typ{elem, t.shape} }
func (t typ) shaped(shape ...int) typ { return typ{t.elem, shape} }
func f32(shape ...int) typ            { return typ{"f32", shape} }
func (t typ) axes() []int             { return upTo(len(t.shape)) }
func (t typ) with(axis, size int) typ {
	s := slices.Clone(t.shape)
	s[axis] = size
	return typ{t.elem, s}
}
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// val is a value of the text: its name and type.
type val struct {
	id string
	typ
}

// emitter writes operations of StableHLO, each with its types. It knows their syntax
// and nothing of graphs.
type emitter struct {
	b          strings.Builder
	next       int
	constants  map[string]val // of the region that is being written
	round      Rounding       // of the operands of products
	transposed map[int]int    // transposes of values with so many axes
}

// list writes whole numbers as MLIR does.
func list[T any](all []T) string { return "[" + join(all, ", ") + "]" }

func join[T any](all []T, by string) string {
	parts := make([]string, len(all))
	for i, v := range all {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, by)
}

// line writes one operation with a result of type t.
func (e *emitter) line(t typ, format string, args ...any) val {
	v := val{fmt.Sprintf("%%%d", e.next), t}
	e.next++
	fmt.Fprintf(&e.b, "    %s = ", v.id)
	fmt.Fprintf(&e.b, format, args...)
	e.b.WriteByte('\n')
	return v
}

// scalar is a constant number of any of the formats.
func (e *emitter) scalar(x float64, elem string) val {
	var text string
	switch elem {
	case "f32":
		text = fmt.Sprintf("0x%08X", math.Float32bits(float32(x)))
	case "f64":
		text = fmt.Sprintf("0x%016X", math.Float64bits(x))
	case "i1":
		text = fmt.Sprint(x != 0)
	default:
		text = fmt.Sprint(int(x))
	}
	return e.constant(text, typ{elem: elem})
}

func (e *emitter) constant(text string, t typ) val {
	key := text + t.String()
	if v, ok := e.constants[key]; ok {
		return v
	}
	v := e.line(t, "stablehlo.constant dense<%s> : %s", text, t)
	e.constants[key] = v
	return v
}

// table is a constant array.
func (e *emitter) table(x []float64, elem string, shape ...int) val {
	var raw []byte
	for _, v := range x {
		if elem == "f64" {
			bits := math.Float64bits(v)
			for k := range 8 {
				raw = append(raw, byte(bits>>(8*k)))
			}
			continue
		}
		bits := math.Float32bits(float32(v))
		raw = append(raw, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	}
	return e.constant(`"0x`+strings.ToUpper(hex.EncodeToString(raw))+`"`, typ{elem, shape})
}

// fill is a constant repeated to type t.
func (e *emitter) fill(x float64, t typ) val { return e.spread(e.scalar(x, t.elem), t.shape) }

// unary applies a function that keeps the type.
func (e *emitter) unary(fn string, x val) val {
	if !strings.Contains(fn, ".") {
		fn = "stablehlo." + fn
	}
	if strings.HasPrefix(fn, "chlo.") {
		return e.line(x.typ, "%s %s : %s -> %s", fn, x.id, x.typ, x.typ)
	}
	return e.line(x.typ, "%s %s : %s", fn, x.id, x.typ)
}

// binary applies a function of two values of one type; b may be a scalar.
func (e *emitter) binary(fn string, a, b val) val {
	if len(b.shape) == 0 {
		b = e.spread(b, a.shape)
	}
	return e.line(a.typ, "stablehlo.%s %s, %s : %s", fn, a.id, b.id, a.typ)
}

func (e *emitter) add(a, b val) val { return e.binary("add", a, b) }
func (e *emitter) sub(a, b val) val { return e.binary("subtract", a, b) }
func (e *emitter) mul(a, b val) val { return e.binary("multiply", a, b) }
func (e *emitter) div(a, b val) val { return e.binary("divide", a, b) }

// affine is a·x + b.
func (e *emitter) affine(x val, a, b float64) val {
	if a != 1 {
		x = e.mul(x, e.scalar(a, x.elem))
	}
	if b != 0 {
		x = e.add(x, e.scalar(b, x.elem))
	}
	return x
}

// compare is a value of i1; the order is LT, LE, GT, GE or EQ.
func (e *emitter) compare(order string, a, b val) val {
	if len(b.shape) == 0 {
		b = e.spread(b, a.shape)
	}
	kind := "FLOAT"
	if a.elem == "i32" {
		kind = "SIGNED"
	}
	t := a.as("i1")
	return e.line(t, "stablehlo.compare %s, %s, %s, %s : (%s, %s) -> %s", order, a.id, b.id, kind, a.typ, b.typ, t)
}

// choose is a where the condition holds and b elsewhere.
func (e *emitter) choose(condition, a, b val) val {
	return e.line(a.typ, "stablehlo.select %s, %s, %s : %s, %s", condition.id, a.id, b.id, condition.typ, a.typ)
}

func (e *emitter) convert(x val, elem string) val {
	if x.elem == elem {
		return x
	}
	t := x.as(elem)
	return e.line(t, "stablehlo.convert %s : (%s) -> %s", x.id, x.typ, t)
}

// spread repeats x to a shape: axis i of x is axis dims[i] of the result, the last ones
// where no dims are given, and axes of length 1 are repeated.
func (e *emitter) spread(x val, shape graph.Shape, dims ...int) val {
	if x.shape.Equal(shape) {
		return x
	}
	if dims == nil {
		for i := range x.shape {
			dims = append(dims, len(shape)-len(x.shape)+i)
		}
	}
	t := x.shaped(shape...)
	return e.line(t, "stablehlo.broadcast_in_dim %s, dims = %s : (%s) -> %s", x.id, list(dims), x.typ, t)
}

func (e *emitter) reshape(x val, shape ...int) val {
	if x.shape.Equal(shape) {
		return x
	}
	t := x.shaped(shape...)
	return e.line(t, "stablehlo.reshape %s : (%s) -> %s", x.id, x.typ, t)
}

func (e *emitter) transpose(x val, perm ...int) val {
	shape := make(graph.Shape, len(perm))
	for i, p := range perm {
		shape[i] = x.shape[p]
	}
	e.transposed[len(perm)]++
	t := x.shaped(shape...)
	return e.line(t, "stablehlo.transpose %s, dims = %s : (%s) -> %s", x.id, list(perm), x.typ, t)
}

// slice takes elements from, from+step ... of one axis, n in all.
func (e *emitter) slice(x val, axis, from, n, step int) val {
	if from == 0 && n == x.shape[axis] && step == 1 {
		return x
	}
	parts := make([]string, len(x.shape))
	for i, d := range x.shape {
		parts[i] = fmt.Sprintf("0:%d", d)
		if i == axis {
			parts[i] = fmt.Sprintf("%d:%d:%d", from, from+(n-1)*step+1, step)
		}
	}
	t := x.with(axis, n)
	return e.line(t, "stablehlo.slice %s %s : (%s) -> %s", x.id, list(parts), x.typ, t)
}

// pad puts zeros before, behind and between the elements of one axis.
func (e *emitter) pad(x val, axis, before, after, between int) val {
	if before == 0 && after == 0 && between == 0 {
		return x
	}
	at := func(v int) string {
		all := make([]int, len(x.shape))
		all[axis] = v
		return list(all)
	}
	n := x.shape[axis]
	t := x.with(axis, before+n+(n-1)*between+after)
	return e.line(t, "stablehlo.pad %s, %s, low = %s, high = %s, interior = %s : (%s, tensor<%s>) -> %s",
		x.id, e.scalar(0, x.elem).id, at(before), at(after), at(between), x.typ, x.elem, t)
}

func (e *emitter) concat(axis int, parts ...val) val {
	if len(parts) == 1 {
		return parts[0]
	}
	var ids, types []string
	n := 0
	for _, p := range parts {
		ids, types = append(ids, p.id), append(types, p.typ.String())
		n += p.shape[axis]
	}
	t := parts[0].with(axis, n)
	return e.line(t, "stablehlo.concatenate %s, dim = %d : (%s) -> %s", join(ids, ", "), axis, join(types, ", "), t)
}

// reduce folds axes by add, maximum, minimum or and, and drops them.
func (e *emitter) reduce(fn string, x val, axes ...int) val {
	if len(axes) == 0 {
		return x
	}
	start := 0.
	switch {
	case fn == "maximum":
		start = math.Inf(-1)
	case fn == "minimum" && x.elem == "i32":
		start = math.MaxInt32
	case fn == "minimum":
		start = math.Inf(1)
	case fn == "and":
		start = 1
	}
	var shape graph.Shape
	for i, d := range x.shape {
		if !slices.Contains(axes, i) {
			shape = append(shape, d)
		}
	}
	t := x.shaped(shape...)
	return e.line(t, "stablehlo.reduce(%s init: %s) applies stablehlo.%s across dimensions = %s : (%s, tensor<%s>) -> %s",
		x.id, e.scalar(start, x.elem).id, fn, list(axes), x.typ, x.elem, t)
}

// keep folds axes to length 1.
func (e *emitter) keep(fn string, x val, axes ...int) val {
	shape := slices.Clone(x.shape)
	for _, a := range axes {
		shape[a] = 1
	}
	return e.reshape(e.reduce(fn, x, axes...), shape...)
}

// iota counts along one axis.
func (e *emitter) iota(axis int, shape ...int) val {
	t := typ{"i32", shape}
	return e.line(t, "stablehlo.iota dim = %d : %s", axis, t)
}

// barrier keeps the compiler from joining what is before with what is behind.
func (e *emitter) barrier(x val) val { return e.unary("optimization_barrier", x) }

// region writes the body of an operation, whose constants are its own.
func (e *emitter) region(body func()) {
	outer := e.constants
	e.constants = map[string]val{}
	body()
	e.constants = outer
}
