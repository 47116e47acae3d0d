package train

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// stage is one kind of training, as the loop sees it.
type stage interface {
	// build adds the objective to the graph. The first term is minimised; all
	// are logged by name.
	build(g *graph.Graph) []term
	// weights lists the parameters that are trained, after build.
	weights() []nn.ParamSpec
	// loaded gives it all parameters, with those of the optimiser, once they are on the device.
	loaded(w engine.Weights) error
	// fill writes the inputs of the program for step n, counted from 1. What it
	// writes depends on the seed and n alone.
	fill(ctx context.Context, p engine.Program, n int) error
	// validate measures the averaged weights on held-out data; none if there is none.
	validate(ctx context.Context) ([]scalar, error)
	// pictures draws reconstructions or samples with the averaged weights.
	pictures(ctx context.Context) (image.Image, error)
	// export writes the model file that other commands read.
	export(path string) error
}

// term is a named scalar of the objective.
type term struct {
	name  string
	value graph.Value
}

// scalar is a named measured number.
type scalar struct {
	name  string
	value float64
}

// Files of a run's folder.
const (
	ConfigFile     = "config.yaml"
	CheckpointFile = "checkpoint.safetensors"
	ModelFile      = "model.safetensors"
	LogFile        = "log.txt"
	PictureFolder  = "images"
)

// loop is a run in progress.
type loop struct {
	dir     string
	config  string // the whole configuration as YAML, kept in the checkpoint
	cfg     Loop
	stage   stage
	vars    engine.Vars // until they are loaded
	loaded  engine.Weights
	program engine.Program
	names   []string // of the logged outputs, the objective first
	out     *log
	step    int // updates done
}

// run trains until cfg.Steps updates are done or ctx is cancelled; then it
// saves and returns ctx's error.
func (l *loop) run(ctx context.Context, eng engine.Engine) error {
	defer l.out.close()
	if err := l.prepare(eng); err != nil {
		return err
	}
	defer l.loaded.Close()
	defer l.program.Close()
	l.out.begin(l.step, l.cfg.Steps)
	for l.step < l.cfg.Steps {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), l.save())
		}
		err := l.update(ctx)
		if err == nil {
			err = l.periodic(ctx)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), l.save())
		default:
			return err
		}
	}
	return l.save()
}

// prepare compiles the training program and restores the checkpoint, if any.
func (l *loop) prepare(eng engine.Engine) error {
	g := graph.New()
	terms := l.stage.build(g)
	if err := g.Err(); err != nil {
		return err
	}
	outputs := make([]graph.Value, 0, len(terms)+1)
	for _, t := range terms {
		outputs = append(outputs, t.value)
		l.names = append(l.names, t.name)
	}
	weights := l.stage.weights()
	outputs = append(outputs, addUpdates(g, terms[0].value, weights, l.cfg)...)
	if err := g.Err(); err != nil {
		return err
	}
	addOptimizerVars(l.vars, weights, l.cfg)
	if err := l.restore(); err != nil {
		return err
	}
	var err error
	if l.loaded, err = eng.Load(l.vars, engine.LoadOptions{}); err != nil {
		return err
	}
	l.vars = nil
	if l.program, err = eng.Compile(g, outputs, l.loaded, engine.Options{Precision: l.cfg.Precision}); err != nil {
		l.loaded.Close()
		return err
	}
	return l.stage.loaded(l.loaded)
}

// update does one step.
func (l *loop) update(ctx context.Context) error {
	n := l.step + 1
	if err := l.stage.fill(ctx, l.program, n); err != nil {
		return fmt.Errorf("step %d: %w", n, err)
	}
	l.setScalar("rate", l.cfg.rate(n))
	l.setScalar("step", float64(n))
	l.setScalar("decay", l.cfg.decay(n))
	if err := l.program.Run(ctx); err != nil {
		return fmt.Errorf("step %d: %w", n, err)
	}
	norm2 := l.program.Output(len(l.names)).F32[0]
	if math.IsNaN(float64(norm2)) || math.IsInf(float64(norm2), 0) {
		return l.nonFinite(n)
	}
	l.step = n
	for i, name := range l.names {
		l.out.add(name, float64(l.program.Output(i).F32[0]))
	}
	l.out.add("gradient_norm", math.Sqrt(float64(norm2)))
	return nil
}

func (l *loop) setScalar(name string, v float64) {
	if t := l.program.Input(name); t != nil {
		t.F32[0] = float32(v)
	}
}

// nonFinite names the layer a NaN came from. The weights are still those of
// the step before: updates are not carried out on a gradient that is not finite.
func (l *loop) nonFinite(n int) error {
	where, err := l.program.FindNonFinite()
	if err != nil {
		return fmt.Errorf("step %d: the gradients are not finite: %w", n, err)
	}
	return fmt.Errorf("step %d: NaN or infinity, first in %s; training stopped, %s holds the last good state (a lower train.learning_rate or train.clip may help)",
		n, where, filepath.Join(l.dir, CheckpointFile))
}

// periodic does what is due after some steps: log, validate, draw, save.
func (l *loop) periodic(ctx context.Context) error {
	last := l.step == l.cfg.Steps
	due := func(every int) bool { return l.step%every == 0 || last }
	if due(l.cfg.LogEvery) {
		if err := l.out.flush(l.step, l.cfg.rate(l.step)); err != nil {
			return err
		}
	}
	if due(l.cfg.ValidateEvery) {
		scalars, err := l.stage.validate(ctx)
		if err != nil {
			return err
		}
		if err := l.out.validation(l.step, scalars); err != nil {
			return err
		}
	}
	if due(l.cfg.SampleEvery) {
		if err := l.draw(ctx); err != nil {
			return err
		}
	}
	if due(l.cfg.SaveEvery) && !last {
		return l.save()
	}
	return nil
}

func (l *loop) draw(ctx context.Context) error {
	img, err := l.stage.pictures(ctx)
	if err != nil || img == nil {
		return err
	}
	folder := filepath.Join(l.dir, PictureFolder)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	if err := data.SavePNG(filepath.Join(folder, fmt.Sprintf("step-%06d.png", l.step)), img); err != nil {
		return err
	}
	return l.out.events.Image(l.step, "pictures", img)
}
