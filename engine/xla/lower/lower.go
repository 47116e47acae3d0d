// Package lower writes a graph as the text of StableHLO, the language that XLA compiles
// (https://openxla.org/stablehlo/spec). It knows no device.
//
// text.go writes single operations; products.go, norm.go, attention.go and so on write
// those of graph by their definitions; place.go says how parameters should lie, and
// update.go writes what changes them. The syntax is the part of StableHLO's that
// versions 1.13 to 1.22 have in common.
package lower

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// Rounding is what becomes of the operands of products.
type Rounding uint8

// Float32 keeps them, BF16 makes bfloat16 of them, and WideBF16 rounds them to its
// numbers but keeps them as float32, for devices whose products do not take bfloat16.
// TF32 leaves the rounding to the device: TensorFloat-32 on cards that have it, three
// products of bfloat16 on TPUs.
const (
	Float32 Rounding = iota
	BF16
	WideBF16
	TF32
)

// Options of a lowering.
type Options struct {
	Round   Rounding
	Devices int // share inputs out by their first axis
	Scores  int // that a layer of attention may hold at a time; 0: 8 million, 32 MiB
	// Checks makes a program that tells of every value whether it is finite, and
	// carries out no update.
	Checks bool
}

// Program is a text with what it takes and gives.
type Program struct {
	Text string
	// The arguments are the arrays, and then the inputs. The results are the outputs,
	// and then the arrays that are updated, each of which takes its argument's memory.
	Arrays  []*Array
	Inputs  []Input
	Outputs []graph.Type
	Updated []*Array
	// Lookups are the inputs that index tables.
	Lookups []Lookup
	// Checked names the values of a program of checks, whose one output is int32 [n],
	// 1 for each that is finite.
	Checked []string
	// Transposes counts those of values by their number of axes.
	Transposes map[int]int
}

// Input is an argument of each run.
type Input struct {
	Name string
	graph.Type
	Split bool // each device has its part of the first axis
}

// Lookup is an input whose numbers must be from 0 to Rows-1.
type Lookup struct {
	Input, Where string
	Rows         int
}

// value is a value of the text that stands for one of the graph.
type value struct {
	val
	hwio bool // it is a filter whose axes are in the order [KH, KW, C, O]
}

// lowering is a graph on its way.
type lowering struct {
	*emitter
	*Program
	opt     Options
	places  map[string]*Place
	values  map[graph.Value]value
	current map[*Place]val // parameters in their array's order
	wholes  map[*Array]val
	changed map[*Array]bool
	flats   map[string]val
}

// Lower writes a program of the live nodes of a graph. places has every parameter.
func Lower(nodes []*graph.Node, outputs []graph.Value, places map[string]*Place, opt Options) (*Program, error) {
	l := &lowering{
		emitter: &emitter{constants: map[string]val{}, round: opt.Round, transposed: map[int]int{}},
		Program: &Program{}, opt: opt, places: places, values: map[graph.Value]value{}, current: map[*Place]val{},
		wholes: map[*Array]val{}, changed: map[*Array]bool{}, flats: map[string]val{},
	}
	l.arguments(nodes)
	var late []*graph.Node
	deferred := canWait(nodes)
	for _, n := range nodes {
		if _, update := ruleOf(n); update && (opt.Checks || deferred) {
			if !opt.Checks {
				late = append(late, n)
			}
			continue
		}
		if err := l.node(n); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
	}
	l.updates(late)
	l.finish(nodes, outputs)
	l.Transposes = l.transposed
	return l.Program, nil
}

// canWait tells whether updates may come behind all other operations: nothing but
// updates reads what one before it has written, and among them averages come last.
func canWait(nodes []*graph.Node) bool {
	writtenBy := map[graph.Value]graph.Op{}
	for _, n := range nodes {
		_, average := n.Op.(graph.EMA)
		for i, v := range n.Inputs {
			by, ok := writtenBy[v]
			if _, adam := by.(graph.AdamW); ok && !(adam && average && i == 1) {
				return false
			}
		}
		for _, v := range written(n) {
			writtenBy[v] = n.Op
		}
	}
	return true
}

// arguments names the arrays and inputs.
func (l *lowering) arguments(nodes []*graph.Node) {
	seen := map[*Array]bool{}
	for _, n := range nodes {
		switch op := n.Op.(type) {
		case graph.Param:
			if a := l.places[op.Name].Array; !seen[a] {
				seen[a] = true
				l.wholes[a] = val{fmt.Sprintf("%%a%d", len(l.Arrays)), a.typ()}
				l.Arrays = append(l.Arrays, a)
			}
		case graph.Input:
			s := op.Type.Shape
			split := l.opt.Devices > 1 && len(s) > 0 && s[0]%l.opt.Devices == 0
			l.values[n.Output(0)] = value{val: val{fmt.Sprintf("%%i%d", len(l.Inputs)), typeOf(op.Type)}}
			l.Inputs = append(l.Inputs, Input{op.Name, op.Type, split})
		}
	}
}

// finish writes the results, and the function around all.
func (l *lowering) finish(nodes []*graph.Node, outputs []graph.Value) {
	var results []val
	var sharding []bool
	if l.opt.Checks {
		results = append(results, l.checks(nodes))
		l.Outputs = []graph.Type{{DType: graph.Int32, Shape: results[0].shape}}
	} else {
		for _, v := range outputs {
			results = append(results, l.canonical(v))
			l.Outputs = append(l.Outputs, v.Type())
		}
	}
	sharding = make([]bool, len(results))
	alias := map[*Array]int{}
	for _, a := range l.Arrays {
		if l.changed[a] {
			alias[a] = len(results)
			results, sharding = append(results, l.whole(a)), append(sharding, a.Split)
			l.Updated = append(l.Updated, a)
		}
	}
	var args, types, ids, outs []string
	arg := func(name string, t typ, split bool, attributes ...string) {
		args = append(args, name+": "+t.String()+l.attributes(t, split, attributes...))
	}
	for i, a := range l.Arrays {
		var more []string
		if at, ok := alias[a]; ok {
			more = append(more, fmt.Sprintf("tf.aliasing_output = %d : i32", at))
		}
		arg(fmt.Sprintf("%%a%d", i), a.typ(), a.Split, more...)
	}
	for i, in := range l.Inputs {
		arg(fmt.Sprintf("%%i%d", i), typeOf(in.Type), in.Split)
	}
	for i, v := range results {
		ids, types = append(ids, v.id), append(types, v.typ.String())
		outs = append(outs, v.typ.String()+l.attributes(v.typ, sharding[i]))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "module @ldm attributes {mhlo.num_partitions = %d : i32, mhlo.num_replicas = 1 : i32} {\n", max(l.opt.Devices, 1))
	if l.opt.Devices > 1 {
		fmt.Fprintf(&b, "  sdy.mesh @mesh = <[\"data\"=%d]>\n", l.opt.Devices)
	}
	fmt.Fprintf(&b, "  func.func public @main(%s) -> (%s) {\n%s    return %s : %s\n  }\n}\n",
		join(args, ", "), join(outs, ", "), l.b.String(), join(ids, ", "), join(types, ", "))
	l.Text = b.String()
}

// attributes are those of an argument or a result.
func (l *lowering) attributes(t typ, split bool, all ...string) string {
	if l.opt.Devices > 1 {
		axes := make([]string, len(t.shape))
		for i := range axes {
			axes[i] = "{}"
			if i == 0 && split {
				axes[i] = `{"data"}`
			}
		}
		all = append(all, "sdy.sharding = #sdy.sharding<@mesh, "+list(axes)+">")
	}
	if len(all) == 0 {
		return ""
	}
	return " {" + join(all, ", ") + "}"
}

// checks is 1 for each value that is finite.
func (l *lowering) checks(nodes []*graph.Node) val {
	var all []val
	for _, n := range nodes {
		for i, t := range n.Out {
			v, ok := l.values[n.Output(i)]
			if op, param := n.Op.(graph.Param); param {
				v, ok = value{val: l.param(l.places[op.Name])}, true
			}
			if !ok || t.DType != graph.Float32 {
				continue
			}
			b := v.as("i1")
			finite := l.line(b, "stablehlo.is_finite %s : (%s) -> %s", v.id, v.typ, b)
			all = append(all, l.reshape(l.reduce("and", finite, b.axes()...), 1))
			l.Checked = append(l.Checked, nameOf(n))
		}
	}
	return l.convert(l.concat(0, all...), "i32")
}

func nameOf(n *graph.Node) string {
	switch op := n.Op.(type) {
	case graph.Input:
		return "input " + op.Name
	case graph.Param:
		return "parameter " + op.Name
	}
	return n.Name()
}

func typeOf(t graph.Type) typ {
	if t.DType == graph.Int32 {
		return typ{"i32", t.Shape}
	}
	return typ{"f32", t.Shape}
}

// set names the value of an output.
func (l *lowering) set(n *graph.Node, i int, v val) { l.values[n.Output(i)] = value{val: v} }

// in is an input of a node in the graph's order.
func (l *lowering) in(n *graph.Node, i int) val { return l.canonical(n.Inputs[i]) }

// stored is a value in whatever order it lies.
func (l *lowering) stored(v graph.Value) value {
	if op, ok := v.Node.Op.(graph.Param); ok {
		p := l.places[op.Name]
		return value{l.param(p), p.HWIO}
	}
	return l.values[v]
}

func (l *lowering) canonical(v graph.Value) val { return l.ordered(l.stored(v), false) }

// ordered is a value with a filter's axes in the order asked for.
func (l *lowering) ordered(v value, hwio bool) val {
	switch {
	case v.hwio == hwio || len(v.shape) != 4:
		return v.val
	case hwio:
		return l.transpose(v.val, 2, 3, 1, 0)
	}
	return l.transpose(v.val, 3, 2, 0, 1)
}

// param is what a parameter is now, in its array's order, in float32.
func (l *lowering) param(p *Place) val {
	if v, ok := l.current[p]; ok {
		return v
	}
	v := l.wholes[p.Array]
	if p.Array.Size > 0 {
		v = l.reshape(l.slice(v, 0, p.Offset, p.Shape.Size(), 1), p.Stored()...)
	}
	v = l.convert(v, "f32")
	l.current[p] = v
	return v
}

// whole is what an array is now.
func (l *lowering) whole(a *Array) val {
	fresh := func(p *Place) bool { _, ok := l.current[p]; return ok }
	if !l.changed[a] || !slices.ContainsFunc(a.Places, fresh) {
		return l.wholes[a]
	}
	if a.Size == 0 {
		return l.current[a.Places[0]]
	}
	parts := make([]val, len(a.Places))
	for i, p := range a.Places {
		parts[i] = l.reshape(l.param(p), p.Shape.Size())
	}
	v := l.concat(0, parts...)
	return l.pad(v, 0, 0, a.Size-v.shape[0], 0)
}

// lookup notes that an input indexes a table. Indices that the graph computes are in it.
func (l *lowering) lookup(n *graph.Node, ids graph.Value, rows int) {
	for {
		switch op := ids.Node.Op.(type) {
		case graph.Reshape:
			ids = ids.Node.Inputs[0]
			continue
		case graph.Input:
			l.Lookups = append(l.Lookups, Lookup{op.Name, n.Scope, rows})
		}
		return
	}
}
