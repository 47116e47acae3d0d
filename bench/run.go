package bench

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// How often a work is run where Options do not say it: the rule of the peers.
const (
	fewest = 3
	most   = 30
	enough = 8 * time.Second
)

// Options of a measurement.
type Options struct {
	Precision engine.Precision
	Hold      tensor.Format // of the weights in memory
	Threads   int           // < 1: one for every processor
	Engine    engine.Engine // nil: the processor
	Runs      int           // timed runs; 0: for 8 s, but at least 3 and at most 30
	Shape     Shape         // zeros: the work's own
	Profile   bool          // measure every step
}

// threads is the number that the engine will use.
func (o Options) threads() int {
	if o.Threads < 1 {
		return par.Processors()
	}
	return o.Threads
}

// format is that of the file that the weights would come from: as they are held, or
// as they are multiplied. Training has its own in float32.
func (o Options) format(training bool) tensor.Format {
	switch {
	case training:
		return tensor.F32
	case o.Hold == tensor.F32 && o.Precision == engine.BF16:
		return tensor.BF16
	}
	return o.Hold
}

// more tells whether to go on after n runs.
func (o Options) more(n int, since time.Time) bool {
	if o.Runs > 0 {
		return n < o.Runs
	}
	return n < fewest || n < most && time.Since(since) < enough
}

// Measure times a work: its first run with compiling and packing, a run to warm
// up, and then runs whose median counts.
func (w Work) Measure(ctx context.Context, opt Options) (Result, error) {
	start := time.Now()
	b, err := w.Build(opt.Shape)
	if err != nil {
		return Result{}, err
	}
	building := time.Since(start)
	vars := b.vars(opt.format(w.train)) // loading a model is not what is measured
	debug.FreeOSMemory()                // what drawing left behind
	start = time.Now()
	p, err := compile(b, vars, opt)
	if err != nil {
		return Result{}, err
	}
	defer p.Close()
	debug.FreeOSMemory() // what building left behind
	b.fill(p)
	run := stepper(ctx, p)
	if err := run(); err != nil {
		return Result{}, err
	}
	r := Result{
		Work: w.Name, Mode: opt.Precision.String(), Threads: opt.threads(),
		First: building + time.Since(start), Parameters: b.Parameters(),
	}
	if err := finite(w.Name, p.Output(0)); err != nil {
		return Result{}, err
	}
	if err := r.time(ctx, run, p, opt); err != nil {
		return Result{}, err
	}
	r.Peak = PeakResident()
	return r, nil
}

// compile makes the program. The memory of weights that were packed is given
// back, as is done with a model's file.
func compile(b *Built, vars engine.Vars, opt Options) (engine.Program, error) {
	eng := opt.Engine
	if eng == nil {
		eng = cpu.New(cpu.Options{Threads: opt.Threads, Lazy: true})
	}
	w, err := eng.Load(vars, engine.LoadOptions{Hold: opt.Hold, Released: func(name string) {
		tensor.Release(vars[name].F32)
		tensor.Release(vars[name].Half)
	}})
	if err != nil {
		return nil, err
	}
	return eng.Compile(b.Graph, b.Outputs, w, engine.Options{Precision: opt.Precision})
}

// profiled is a program that tells the times of its steps, as the processor's does.
type profiled interface {
	StartProfile()
	Profile() []cpu.StepCost
}

// profile is the program of an engine that has one.
func profile(p engine.Program) (profiled, error) {
	if own, ok := p.(profiled); ok {
		return own, nil
	}
	return nil, fault.Inputf("the steps of a program are known on the processor alone")
}

// stepper returns what one run is: that of the program and, in training, the
// number of the step and new noise for the posterior.
func stepper(ctx context.Context, p engine.Program) func() error {
	n := 0
	return func() error {
		n++
		if in := p.Input(step); in != nil {
			in.F32[0] = float32(n)
		}
		if in := p.Input(noise); in != nil {
			tensor.NewStream(seed, uint64(n)).Normal(in.F32)
		}
		return p.Run(ctx)
	}
}

// time warms up and takes the times.
func (r *Result) time(ctx context.Context, run func() error, p engine.Program, opt Options) error {
	if err := run(); err != nil {
		return err
	}
	var steps profiled
	if opt.Profile {
		var err error
		if steps, err = profile(p); err != nil {
			return err
		}
		steps.StartProfile()
	}
	if err := r.times(ctx, run, opt); err != nil {
		return err
	}
	if opt.Profile {
		r.Steps = steps.Profile()
	}
	return nil
}

// times takes the times of runs.
func (r *Result) times(ctx context.Context, run func() error, opt Options) error {
	var times []time.Duration
	for start := time.Now(); opt.more(len(times), start); {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := time.Now()
		if err := run(); err != nil {
			return err
		}
		times = append(times, time.Since(t))
	}
	r.Runs, r.Median, r.Min = len(times), Median(times), least(times)
	return nil
}

// finite refuses results whose time would say nothing.
func finite(work string, t *tensor.Tensor) error {
	for i, v := range t.F32 {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%s: number %d of the result is %g", work, i, v)
		}
	}
	return nil
}

// Plan compiles a work without running it and lists its steps.
func (w Work) Plan(opt Options) ([]cpu.StepCost, error) {
	b, err := w.Build(opt.Shape)
	if err != nil {
		return nil, err
	}
	p, err := compile(b, b.blank(), opt)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	steps, err := profile(p)
	if err != nil {
		return nil, err
	}
	return steps.Profile(), nil
}
