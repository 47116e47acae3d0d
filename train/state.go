package train

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
)

// Keys of a checkpoint's metadata.
const (
	metaStep   = "ldm.step"
	metaConfig = "ldm.config"
)

// trained lists what changes in training: weights, moments, shadows.
func (l *loop) trained() []string {
	prefixes := []string{"", firstMoment, secondMoment}
	if l.cfg.EMA > 0 {
		prefixes = append(prefixes, emaShadow)
	}
	var names []string
	for _, w := range l.stage.weights() {
		for _, prefix := range prefixes {
			names = append(names, prefix+w.Name)
		}
	}
	return names
}

// save writes the checkpoint, and the model as it stands, each in one atomic
// step: at any moment the file is either the old one or the new one, whole. Randomness needs no state of its
// own, as every step's draws follow from the seed and the step's number.
func (l *loop) save() error {
	meta := map[string]string{metaStep: strconv.Itoa(l.step), metaConfig: l.config}
	tensors, err := l.loaded.Pull(l.trained()...)
	if err != nil {
		return err
	}
	if err := checkpoint.Save(filepath.Join(l.dir, CheckpointFile), tensors, meta, checkpoint.F32); err != nil {
		return err
	}
	return l.stage.export(filepath.Join(l.dir, ModelFile))
}

// restore reads the checkpoint, if there is one, into vars.
func (l *loop) restore() error {
	path := filepath.Join(l.dir, CheckpointFile)
	f, err := checkpoint.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	step, err := strconv.Atoi(f.Metadata()[metaStep])
	if err != nil || step < 0 {
		return fmt.Errorf("%s: not a checkpoint of a training run: metadata has no %s", path, metaStep)
	}
	for _, name := range l.trained() {
		t := l.vars[name]
		have, err := f.Read(name)
		if err != nil {
			return fmt.Errorf("%w (was the model's configuration changed since?)", err)
		}
		if !have.Shape.Equal(t.Shape) {
			return fmt.Errorf("%s: %s is %v, the configuration wants %v", path, name, have.Shape, t.Shape)
		}
		copy(t.F32, have.F32)
	}
	l.step = step
	return nil
}

// averaged are the weights with their EMA shadows in their place, where such are
// kept: for programs that validate and sample.
func averaged(w engine.Weights) (engine.Weights, error) {
	from := map[string]string{}
	for _, name := range w.Names() {
		if of, ok := strings.CutPrefix(name, emaShadow); ok {
			from[of] = name
		}
	}
	return w.Renamed(from)
}
