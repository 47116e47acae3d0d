package xla

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla/lower"
	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// program implements engine.Program.
type program struct {
	engine  *Engine
	weights *weights
	nodes   []*graph.Node
	outputs []graph.Value
	plan    *lower.Plan
	opt     lower.Options
	code    *lower.Program
	exe     *pjrt.Executable
	layout  int // of the store, that the code is written for
	inputs  map[string]*tensor.Tensor
	results []*tensor.Tensor
	peak    int64
	closed  atomic.Bool
}

var errClosed = errors.New("the program is closed")

// Compile implements engine.Engine.
func (e *Engine) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	own, err := e.own(w)
	if err != nil {
		return nil, err
	}
	own.mustTake()
	defer own.free()
	nodes := lower.Live(g, outputs)
	p := &program{
		engine: e, weights: own, nodes: nodes, outputs: outputs, plan: lower.PlanOf(nodes), inputs: map[string]*tensor.Tensor{},
		opt: lower.Options{Round: e.rounding(opt.Precision), Devices: len(e.devices), Scores: e.scores},
	}
	shapes := map[string]tensor.Shape{}
	var ports int64
	for _, n := range nodes {
		switch op := n.Op.(type) {
		case graph.Param:
			shapes[op.Name] = op.Shape
		case graph.Input:
			ports += int64(op.Type.Shape.Size()) * 4
		}
	}
	for _, v := range outputs {
		ports += int64(v.Shape().Size()) * 4
	}
	if err := own.check(shapes, p.plan); err != nil {
		return nil, err
	}
	if err := enough(ports, opt.MaxBytes); err != nil {
		return nil, err
	}
	if err := p.build(); err != nil {
		return nil, err
	}
	if err := enough(p.peak, opt.MaxBytes); err != nil {
		p.exe.Close()
		return nil, err
	}
	p.ports()
	return p, nil
}

// enough refuses more memory than is allowed.
func enough(bytes, most int64) error {
	if most > 0 && bytes > most {
		return fault.Memoryf("the network needs %d MiB where %d MiB are allowed", bytes>>20, most>>20)
	}
	return nil
}

// build writes and compiles the program for where its parameters lie now.
func (p *program) build() error {
	if err := p.weights.arrange(p.plan); err != nil {
		return err
	}
	code, exe, memory, err := p.compile(p.opt)
	if err != nil {
		return err
	}
	p.exe.Close()
	p.code, p.exe, p.layout = code, exe, p.weights.layout
	p.peak = memory.Temporary
	for _, in := range code.Inputs {
		p.peak += int64(in.Shape.Size()) * 4
	}
	for _, out := range code.Outputs {
		p.peak += int64(out.Shape.Size()) * 4
	}
	return nil
}

// compile lowers the graph, and compiles the text or finds it in the cache.
func (p *program) compile(opt lower.Options) (*lower.Program, *pjrt.Executable, pjrt.Memory, error) {
	places := make(map[string]*lower.Place, len(p.plan.Params))
	for name := range p.plan.Params {
		places[name] = p.weights.cells[name].place
	}
	code, err := lower.Lower(p.nodes, p.outputs, places, opt)
	if err != nil {
		return nil, nil, pjrt.Memory{}, err
	}
	exe, memory, err := p.engine.compile(code.Text)
	return code, exe, memory, err
}

// ports makes the memory of inputs and outputs on the host.
func (p *program) ports() {
	for _, in := range p.code.Inputs {
		p.inputs[in.Name] = host(in.Type)
	}
	for _, t := range p.code.Outputs {
		p.results = append(p.results, host(t))
	}
}

func host(t graph.Type) *tensor.Tensor {
	if t.DType == graph.Int32 {
		return &tensor.Tensor{Shape: t.Shape, I32: make([]int32, t.Shape.Size())}
	}
	return tensor.New(t.Shape...)
}

// raw is a tensor's memory and format.
func raw(t *tensor.Tensor) (unsafe.Pointer, pjrt.Type) {
	if t.I32 != nil {
		return unsafe.Pointer(unsafe.SliceData(t.I32)), pjrt.Int32
	}
	return unsafe.Pointer(unsafe.SliceData(t.F32)), pjrt.Float32
}

// Input implements engine.Program.
func (p *program) Input(name string) *tensor.Tensor { return p.inputs[name] }

// Output implements engine.Program.
func (p *program) Output(i int) *tensor.Tensor { return p.results[i] }

// PeakBytes implements engine.Program.
func (p *program) PeakBytes() int64 { return p.peak }

// Close implements engine.Program.
func (p *program) Close() {
	if p.closed.Swap(true) {
		return
	}
	p.weights.mustTake()
	defer p.weights.free()
	p.exe.Close()
	p.inputs, p.results = nil, nil
}

// Run implements engine.Program. A program without updates is left to itself when ctx is
// cancelled, and the next over the same weights waits for its end; one with updates goes
// on to its end once it has begun.
func (p *program) Run(ctx context.Context) error {
	if p.closed.Load() {
		return errClosed
	}
	if err := p.weights.take(ctx); err != nil {
		return err
	}
	free := p.weights.free
	defer func() { free() }()
	if p.layout != p.weights.layout {
		if err := p.build(); err != nil {
			return err
		}
	}
	if err := p.lookups(); err != nil {
		return err
	}
	args, own, err := p.arguments(p.code)
	if err != nil {
		return err
	}
	type outcome struct {
		results [][]*pjrt.Buffer
		err     error
	}
	if p.shared() {
		p.engine.runs.shared.Add(1)
	} else {
		p.engine.runs.whole.Add(1)
	}
	done := make(chan outcome, 1)
	go func() {
		results, err := p.exe.Execute(args, len(p.code.Outputs)+len(p.code.Updated))
		closeAll(own)
		done <- outcome{results, err}
	}()
	cancelled := ctx.Done()
	if len(p.code.Updated) > 0 {
		cancelled = nil
	}
	select {
	case o := <-done:
		return p.finish(o.results, o.err)
	case <-cancelled:
		release := free
		free = func() {}
		go func() {
			for _, list := range (<-done).results {
				closeAll(list)
			}
			release()
		}()
		return ctx.Err()
	}
}

// shared tells whether the devices share the batch.
func (p *program) shared() bool {
	return slices.ContainsFunc(p.code.Inputs, func(in lower.Input) bool { return in.Split })
}

// lookups refuses indices that lie outside of their tables.
func (p *program) lookups() error {
	for _, l := range p.code.Lookups {
		for _, id := range p.inputs[l.Input].I32 {
			if id < 0 || int(id) >= l.Rows {
				return fmt.Errorf("%s: index %d: want 0 to %d", l.Where, id, l.Rows-1)
			}
		}
	}
	return nil
}

// arguments are the arrays and inputs on each device; own are those to be closed.
func (p *program) arguments(code *lower.Program) (args [][]*pjrt.Buffer, own []*pjrt.Buffer, err error) {
	e := p.engine
	args = make([][]*pjrt.Buffer, len(e.devices))
	for _, a := range code.Arrays {
		for i, b := range p.weights.arrays[a] {
			args[i] = append(args[i], b)
		}
	}
	for _, in := range code.Inputs {
		data, format := raw(p.inputs[in.Name])
		shape, step := in.Shape, 0
		if in.Split {
			shape = append(tensor.Shape{in.Shape[0] / len(e.devices)}, in.Shape[1:]...)
			step = shape.Size() * 4
		}
		for i, d := range e.devices {
			b, err := e.client.Upload(unsafe.Add(data, i*step), format, shape, d)
			if err != nil {
				closeAll(own)
				return nil, nil, e.failure(err)
			}
			args[i], own = append(args[i], b), append(own, b)
		}
	}
	return args, own, nil
}

// finish takes the arrays that were updated and reads the outputs.
func (p *program) finish(results [][]*pjrt.Buffer, err error) error {
	if err != nil {
		return p.engine.failure(err)
	}
	n := len(p.code.Outputs)
	for k, a := range p.code.Updated {
		fresh := make([]*pjrt.Buffer, len(results))
		for i, list := range results {
			fresh[i] = list[n+k]
		}
		closeAll(p.weights.arrays[a])
		p.weights.arrays[a] = fresh
	}
	for i, t := range p.results {
		data, _ := raw(t)
		if failure := results[0][i].Download(data, t.Shape.Size()*4); failure != nil && err == nil {
			err = p.engine.failure(failure)
		}
	}
	for _, list := range results {
		closeAll(list[:n])
	}
	return err
}

// FindNonFinite implements engine.Program. It compiles a program that tells of every
// value whether it is finite.
func (p *program) FindNonFinite() (string, error) {
	if p.closed.Load() {
		return "", errClosed
	}
	p.weights.mustTake()
	defer p.weights.free()
	for _, in := range p.code.Inputs {
		for _, v := range p.inputs[in.Name].F32 {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				return "input " + in.Name, nil
			}
		}
	}
	if err := p.weights.arrange(p.plan); err != nil {
		return "", err
	}
	if err := p.lookups(); err != nil {
		return "", err
	}
	opt := p.opt
	opt.Checks = true
	code, exe, _, err := p.compile(opt)
	if err != nil {
		return "", err
	}
	defer exe.Close()
	args, own, err := p.arguments(code)
	if err != nil {
		return "", err
	}
	results, err := exe.Execute(args, 1)
	closeAll(own)
	if err != nil {
		return "", p.engine.failure(err)
	}
	finite := make([]int32, len(code.Checked))
	err = results[0][0].Download(unsafe.Pointer(unsafe.SliceData(finite)), len(finite)*4)
	for _, list := range results {
		closeAll(list)
	}
	if err != nil {
		return "", p.engine.failure(err)
	}
	for i, ok := range finite {
		if ok == 0 {
			return code.Checked[i], nil
		}
	}
	return "", nil
}
