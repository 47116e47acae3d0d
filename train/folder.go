package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/hosts"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/output"
)

// Files of a run's folder.
const (
	ConfigFile     = "config.yaml"
	CheckpointFile = "checkpoint.safetensors"
	ModelFile      = "model.safetensors"
	LogFile        = "log.txt"
	PictureFolder  = "images"
	LatentFolder   = "latents" // encoded pictures that have no room in memory
	lockFile       = ".lock"
)

// Run says where a training runs and who is told.
type Run struct {
	Dir    string // the run's folder, made if it is not there
	Engine engine.Engine
	Line   func(string) // told what happens, a line at a time; may be nil
	Report bool         // keep a page about the run, report.html
	// Builtin opens the model that an empty base stands for; nil: there is none.
	Builtin func() (*modelfile.File, error)
	// Accept lists the differences from the checkpoint that are accepted at a
	// resume (see Acceptable).
	Accept []string
	// Hosts are the processes that take the run together; none: this one alone.
	Hosts hosts.Options
}

func (r Run) line(format string, args ...any) {
	if r.Line != nil {
		r.Line(fmt.Sprintf(format, args...))
	}
}

// open looks at what is in the folder, and changes nothing. It returns the
// checkpoint to go on from, or nil.
func (r Run) open(kind string) (*previous, error) {
	if r.Dir == "" {
		return nil, fault.Inputf("the run's folder has no name")
	}
	if r.Engine == nil {
		return nil, fault.Inputf("a run wants an engine")
	}
	for _, a := range r.Accept {
		if err := acceptable(a); err != nil {
			return nil, err
		}
	}
	st, err := os.Stat(r.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !st.IsDir():
		return nil, fault.Inputf("%s is not a folder", r.Dir)
	}
	if err := r.checkConfig(kind); err != nil {
		return nil, err
	}
	p, err := readPrevious(filepath.Join(r.Dir, CheckpointFile))
	if err != nil || p == nil {
		return nil, err
	}
	if p.kind != "" && p.kind != kind {
		return nil, fault.Inputf("%s holds a run of %s, not of %s: choose another folder", r.Dir, p.kind, kind)
	}
	return p, nil
}

// checkConfig refuses a folder whose config.yaml is of another kind of run.
func (r Run) checkConfig(kind string) error {
	raw, err := os.ReadFile(filepath.Join(r.Dir, ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var there map[string]any
	if err := config.Parse(&there, filepath.Join(r.Dir, ConfigFile), raw, nil); err != nil {
		return fault.Inputf("%s: %w (not the configuration of a run? choose another folder)", filepath.Join(r.Dir, ConfigFile), err)
	}
	if other := kindOf(there); other != kind {
		return fault.Inputf("%s holds a run of %s, not of %s: choose another folder", r.Dir, other, kind)
	}
	return nil
}

// kindOf is the kind of run that a configuration is of.
func kindOf(config map[string]any) string {
	for _, of := range []struct{ key, kind string }{{"student", kindStudent}, {"lora", kindLoRA}, {"embedding", kindEmbedding}} {
		if _, ok := config[of.key]; ok {
			return of.kind
		}
	}
	model, _ := config["model"].(map[string]any)
	if target, _ := model["target"].(string); strings.HasSuffix(target, "LatentDiffusion") {
		return kindDiffusion
	}
	return kindAutoencoder
}

// lock makes the folder and takes it for this process. The operating system
// frees the lock of a process that is gone.
func (r Run) lock() (unlock func(), err error) {
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return nil, err
	}
	path := filepath.Join(r.Dir, lockFile+r.suffix())
	lock := flock.New(path, flock.SetPermissions(0o666))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !ok {
		return nil, fault.Inputf("%s is in use by another run: wait until it has ended, or choose another folder", r.Dir)
	}
	return func() { lock.Unlock() }, nil
}

// start accepts the run: it takes the folder, draws the weights or reads those
// of the checkpoint, and trains. Nothing in the folder changes before.
func start(ctx context.Context, r Run, cfg any, settings Loop, t task, vars engine.Vars, before *previous) (err error) {
	text, err := config.Dump(cfg)
	if err != nil {
		return err
	}
	l := &loop{Run: r, config: text, cfg: settings, task: t, vars: vars, saved: -1}
	if before != nil {
		if err := before.check(r, text, t.facts()); err != nil {
			return err
		}
	}
	if err := l.build(); err != nil {
		return err
	}
	if before != nil {
		if err := l.restore(); err != nil { // before anything is written
			return err
		}
	}
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if before != nil { // another run may have ended meanwhile
		if err := l.restore(); err != nil {
			return err
		}
	}
	saved := false
	defer func() { l.leave(err, saved) }()
	if err := l.join(ctx); err != nil {
		return err
	}
	if err := l.align(ctx); err != nil {
		return err
	}
	if err := l.openFolder(); err != nil {
		return err
	}
	defer l.out.close()
	r.line("%s", l.describe())
	if err := l.load(); err != nil {
		return err
	}
	defer l.close()
	l.out.report = openReport(l)
	switch {
	case l.step > 0 && l.step == l.saved:
		r.line("going on from step %d of %s", l.step, filepath.Join(r.Dir, CheckpointFile))
	case l.step > 0:
		r.line("going on from step %d", l.step)
	}
	saved, err = l.run(ctx)
	return err
}

// openFolder writes the configuration and opens the log. A process that is not the first
// of several writes neither.
func (l *loop) openFolder() (err error) {
	if !l.first() {
		l.out, l.Report = newLog(l.Run), false
		return nil
	}
	output.Clean(l.Dir) // what saves that were killed have left
	output.Clean(filepath.Join(l.Dir, PictureFolder))
	err = output.Write(filepath.Join(l.Dir, ConfigFile), func(w io.Writer) error {
		_, err := io.WriteString(w, l.config)
		return err
	})
	if err != nil {
		return err
	}
	l.out, err = openLog(l.Run)
	return err
}

// load puts the parameters on the device.
func (l *loop) load() (err error) {
	opt := engine.LoadOptions{}
	if t, ok := l.task.(interface{ released(name string) }); ok {
		opt.Released = t.released
	}
	if l.weights, err = l.Engine.Load(l.vars, opt); err != nil {
		return err
	}
	l.vars = nil
	return l.task.loaded(l.weights)
}

func (l *loop) close() {
	l.task.close()
	for _, p := range l.passes {
		p.close()
	}
	l.weights.Close()
}

// build adds the objectives to their graphs and draws the parameters that are
// not there yet.
func (l *loop) build() error {
	for _, o := range l.task.objectives() {
		p, err := newPass(o)
		if err != nil {
			return err
		}
		l.passes = append(l.passes, p)
	}
	var absent []nn.ParamSpec
	for _, s := range parameters(l.passes) {
		if l.vars[s.Name] == nil && !strings.HasPrefix(s.Name, emaShadow) { // an average begins as what it is of
			absent = append(absent, s)
		}
	}
	for name, t := range nn.Initialize(absent, l.cfg.Seed) {
		l.vars[name] = t
	}
	l.addOptimizerVars()
	return nil
}
