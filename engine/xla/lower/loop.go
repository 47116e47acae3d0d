package lower

import (
	"fmt"
	"strings"
)

// blocks is a loop over total elements, step at a time: body makes new sums of the
// constant values in and of the sums so far.
func (e *emitter) blocks(total, step int, in, sums []val, body func(start val, in, sums []val) []val) []val {
	all := append(append([]val{e.scalar(0, "i32")}, in...), sums...)
	loop := e.next
	e.next++
	inner := make([]val, len(all))
	var binds, types []string
	for i, v := range all {
		inner[i] = val{fmt.Sprintf("%%l%d_%d", loop, i), v.typ}
		binds = append(binds, inner[i].id+" = "+v.id)
		types = append(types, v.typ.String())
	}
	fmt.Fprintf(&e.b, "    %%%d:%d = stablehlo.while(%s) : %s\n    cond {\n", loop, len(all), join(binds, ", "), join(types, ", "))
	e.region(func() {
		more := e.compare("LT", inner[0], e.scalar(float64(total), "i32"))
		fmt.Fprintf(&e.b, "    stablehlo.return %s : %s\n    } do {\n", more.id, more.typ)
	})
	e.region(func() {
		out := append([]val{}, inner[:1+len(in)]...)
		out = append(out, body(inner[0], inner[1:1+len(in)], inner[1+len(in):])...)
		out[0] = e.add(inner[0], e.scalar(float64(step), "i32"))
		var ids []string
		for _, v := range out {
			ids = append(ids, v.id)
		}
		fmt.Fprintf(&e.b, "    stablehlo.return %s : %s\n    }\n", join(ids, ", "), join(types, ", "))
	})
	results := make([]val, len(sums))
	for i, v := range sums {
		results[i] = val{fmt.Sprintf("%%%d#%d", loop, 1+len(in)+i), v.typ}
	}
	return results
}

// starts are the indices of a block that begins at start along one axis.
func (e *emitter) starts(x val, axis int, start val) (ids, types string) {
	all, kinds := make([]string, len(x.shape)), make([]string, len(x.shape))
	for i := range all {
		all[i], kinds[i] = e.scalar(0, "i32").id, "tensor<i32>"
	}
	all[axis] = start.id
	return strings.Join(all, ", "), strings.Join(kinds, ", ")
}

// cut takes n elements of one axis.
func (e *emitter) cut(x val, axis int, start val, n int) val {
	ids, types := e.starts(x, axis, start)
	t := x.with(axis, n)
	return e.line(t, "stablehlo.dynamic_slice %s, %s, sizes = %s : (%s, %s) -> %s", x.id, ids, list(t.shape), x.typ, types, t)
}

// paste writes part over elements of one axis of x.
func (e *emitter) paste(x, part val, axis int, start val) val {
	ids, types := e.starts(x, axis, start)
	return e.line(x.typ, "stablehlo.dynamic_update_slice %s, %s, %s : (%s, %s, %s) -> %s", x.id, part.id, ids, x.typ, part.typ, types, x.typ)
}
