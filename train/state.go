package train

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// Keys of a checkpoint's metadata.
const (
	metaStep   = "ldm.step"
	metaConfig = "ldm.config"
)

// trained lists what changes in training: weights, moments, shadows.
func (l *loop) trained() map[string]*tensor.Tensor {
	all := map[string]*tensor.Tensor{}
	for _, w := range l.stage.weights() {
		for _, prefix := range []string{"", firstMoment, secondMoment, emaShadow} {
			if t := l.vars[prefix+w.Name]; t != nil {
				all[prefix+w.Name] = t
			}
		}
	}
	return all
}

// save writes the checkpoint, and the model as it stands, each in one atomic
// step: at any moment the file is either the old one or the new one, whole. Randomness needs no state of its
// own, as every step's draws follow from the seed and the step's number.
func (l *loop) save() error {
	meta := map[string]string{metaStep: strconv.Itoa(l.step), metaConfig: l.config}
	if err := checkpoint.Save(filepath.Join(l.dir, CheckpointFile), l.trained(), meta, checkpoint.F32); err != nil {
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
	for name, t := range l.trained() {
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

// averaged maps the weights' names to their EMA shadows (to the weights
// themselves where none are kept), for programs that validate and sample.
func averaged(vars engine.Vars) engine.Vars {
	out := engine.Vars{}
	for name, t := range vars {
		if shadow := vars[emaShadow+name]; shadow != nil {
			t = shadow
		}
		out[name] = t
	}
	return out
}
