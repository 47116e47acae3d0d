package train

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/hosts"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// task is one kind of training, as the loop sees it.
type task interface {
	// objectives lists what is minimised.
	objectives() []Objective
	// loaded gives the task all parameters once they are on the device.
	loaded(w engine.Weights) error
	// before is called ahead of every step n: the place to give parameters values
	// that follow from the data.
	before(ctx context.Context, l *loop, n int) error
	// after is called behind every step n.
	after(l *loop, n int) error
	// validate measures the averaged weights on held-out data; none if there is none.
	validate(ctx context.Context) ([]scalar, error)
	// pictures draws reconstructions or samples with the averaged weights.
	pictures(ctx context.Context) (image.Image, error)
	// export writes the file that other commands read to the run's folder.
	export(dir string) error
	// close gives back what the task has opened.
	close()
	// state lists host arrays that checkpoints hold beside the parameters; may be nil.
	state() map[string]*tensor.Tensor
	// facts are what a checkpoint of the task depends on beside the configuration.
	facts() facts
}

// scalar is a named measured number.
type scalar struct {
	name  string
	value float64
}

// loop is a run in progress.
type loop struct {
	Run
	config  string // the whole configuration as YAML, kept in the checkpoint
	cfg     Loop
	task    task
	vars    engine.Vars    // until they are loaded
	weights engine.Weights // all parameters, with those of the optimisers
	exact   bool           // see engine.Options
	group   *hosts.Group   // the processes of this run; nil: this one alone
	passes  []*pass
	out     *log
	step    int // updates done
	saved   int // the step of the checkpoint in the folder; -1: there is none
}

// run trains until cfg.Steps updates are done or ctx is cancelled. However it
// ends, what has been reached is saved, by the first of several processes or, if that is
// gone, by the others; the error says what the folder holds.
func (l *loop) run(ctx context.Context) (saved bool, err error) {
	watched := ctx
	if l.group != nil {
		var stop func()
		watched, stop = l.group.Watch(ctx)
		defer stop()
	}
	if err = l.train(watched); ctx.Err() == nil {
		err = l.broken(err)
	}
	l.out.check(l.out.report.write(true))
	if !l.keeps() {
		return true, l.ended(err, nil)
	}
	var saving error
	if l.step > max(l.saved, 0) {
		saving = l.saveLast()
	}
	return saving == nil, l.ended(err, saving)
}

// ended is the error of a run that ended with err, and with saving where the
// last state could not be saved.
func (l *loop) ended(err, saving error) error {
	held := fmt.Sprintf("%s holds step %d, and the same command goes on from it", filepath.Join(l.Dir, CheckpointFile), l.saved)
	switch {
	case !l.keeps():
		held = "rank 0 saves, and the same commands go on from there"
	case l.saved < 0:
		held = "nothing was saved, as no step was done"
		if l.step > 0 {
			held = "no checkpoint is there"
		}
	}
	stop := errors.Is(err, context.Canceled)
	switch {
	case err == nil && saving == nil:
		return nil
	case err == nil:
		return fmt.Errorf("step %d could not be saved: %w; %s", l.step, saving, held)
	case stop && saving == nil:
		return &ending{fmt.Sprintf("stopped at step %d; %s", l.step, held), err}
	case stop: // not a plain stop: work is lost
		return fmt.Errorf("stopped at step %d, which could not be saved: %w; %s", l.step, saving, held)
	case saving != nil:
		return fmt.Errorf("%w; step %d could not be saved: %w; %s", err, l.step, saving, held)
	}
	return fmt.Errorf("%w; %s", err, held)
}

// ending is an error with a text of its own.
type ending struct {
	text string
	err  error
}

func (e *ending) Error() string { return e.text }
func (e *ending) Unwrap() error { return e.err }

func (l *loop) train(ctx context.Context) error {
	l.out.begin(l.step, l.cfg.Steps)
	for l.step < l.cfg.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.update(ctx); err != nil {
			return err
		}
		if err := l.periodic(ctx); err != nil {
			return err
		}
	}
	return nil
}

// update does one step: every objective that takes part, in order.
func (l *loop) update(ctx context.Context) error {
	n := l.step + 1
	if err := l.task.before(ctx, l, n); err != nil {
		return fmt.Errorf("step %d: %w", n, err)
	}
	for _, p := range l.passes {
		switch {
		case p.active(n) && p.Turn != nil && !p.Turn(n): // another's
		case p.active(n):
			l.makeRoom(p)
			if err := l.compile(p); err != nil {
				return err
			}
			if err := l.move(ctx, p, n); err != nil {
				return fmt.Errorf("step %d: %w", n, err)
			}
			l.step = n                       // a later objective that fails leaves this one's update
			ctx = context.WithoutCancel(ctx) // a step is done whole, or a resumed run would have other bits
		default:
			p.close()
		}
	}
	l.out.stepped()
	return l.task.after(l, n)
}

// move carries out one objective's step: the gradients of some batches, and the update.
func (l *loop) move(ctx context.Context, p *pass, n int) error {
	if l.cfg.shared() {
		return l.moveParts(ctx, p, n)
	}
	for k := range l.cfg.Accumulate {
		terms, norm2, err := l.runBatch(ctx, p, n, 0, k)
		if err != nil {
			return err
		}
		l.logTerms(p, terms)
		if l.cfg.Accumulate == 1 {
			l.out.add(p.Name+"gradient_norm", math.Sqrt(float64(norm2)))
		}
	}
	if l.cfg.Accumulate == 1 {
		return nil
	}
	return l.runUpdate(ctx, p, n)
}

// runBatch runs an objective's program for batch k of a part. It returns the terms of the
// loss and the squared norm of the gradients.
func (l *loop) runBatch(ctx context.Context, p *pass, n, part, k int) (terms []float32, norm2 float32, err error) {
	if err := p.Fill(ctx, p.program, l.cfg.batch(n, part, k)); err != nil {
		return nil, 0, err
	}
	setScalar(p.program, "share", float64(k)/float64(k+1))
	l.setScalars(p.program, p, n)
	if err := p.program.Run(ctx); err != nil {
		return nil, 0, err
	}
	if norm2 = p.program.Output(len(p.loss.Terms)).F32[0]; !finite(norm2) {
		return nil, 0, l.nonFinite(p)
	}
	for i := range p.loss.Terms {
		terms = append(terms, p.program.Output(i).F32[0])
	}
	if p.Watch != nil {
		err = p.Watch(p.program, p.watched)
	}
	return terms, norm2, err
}

// logTerms logs the terms of one run; it returns how many there are.
func (l *loop) logTerms(p *pass, values []float32) int {
	for i, t := range p.loss.Terms {
		l.out.add(p.Name+t.Name, float64(values[i]))
	}
	return len(p.loss.Terms)
}

// runUpdate carries out the optimiser's step, where it is a program of its own.
func (l *loop) runUpdate(ctx context.Context, p *pass, n int) error {
	l.setScalars(p.update, p, n)
	if err := p.update.Run(ctx); err != nil {
		return err
	}
	l.out.add(p.Name+"gradient_norm", math.Sqrt(float64(p.update.Output(0).F32[0])))
	return nil
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

func (l *loop) setScalars(prog engine.Program, p *pass, n int) {
	setScalar(prog, "rate", l.cfg.rate(p.Optimizer, n))
	setScalar(prog, "step", float64(n))
	setScalar(prog, "decay", l.cfg.decay(n))
}

func setScalar(p engine.Program, name string, v float64) {
	if t := p.Input(name); t != nil {
		t.F32[0] = float32(v)
	}
}

// nonFinite names the layer a NaN came from. The weights are still those of
// the step before: updates are not carried out on a gradient that is not finite.
func (l *loop) nonFinite(p *pass) error {
	const advice = "a lower train.learning_rate or train.clip may help"
	where, err := p.program.FindNonFinite()
	if err != nil || where == "" {
		return fmt.Errorf("the gradients are not finite; training stopped (%s): %w", advice, err)
	}
	return fmt.Errorf("NaN or infinity, first in %s; training stopped (%s)", where, advice)
}

// periodic does what is due after some steps: log, validate, save, draw. The
// checkpoint comes before the pictures, so that none is lost with them.
func (l *loop) periodic(ctx context.Context) error {
	last := l.step == l.cfg.Steps
	due := func(every int) bool { return l.step%every == 0 || last }
	if due(l.cfg.LogEvery) {
		l.out.flush(l.step, l.cfg.rate(l.cfg.Optimizer, l.step))
	}
	if due(l.cfg.ValidateEvery) && l.first() {
		scalars, err := l.task.validate(ctx)
		if err != nil {
			return err
		}
		l.out.validation(l.step, scalars)
	}
	if due(l.cfg.SaveEvery) {
		if err := l.save(); err != nil {
			return err
		}
	}
	if due(l.cfg.SampleEvery) && l.first() {
		return l.draw(ctx)
	}
	return nil
}

func (l *loop) draw(ctx context.Context) error {
	img, err := l.task.pictures(ctx)
	if err != nil || img == nil {
		return err
	}
	folder := filepath.Join(l.Dir, PictureFolder)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	if err := picture.Save(filepath.Join(folder, fmt.Sprintf("step-%06d.png", l.step)), img, picture.Options{}); err != nil {
		return err
	}
	l.out.picture(l.step, img)
	return nil
}
