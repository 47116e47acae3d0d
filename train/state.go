package train

import (
	"fmt"
	"maps"
	"path/filepath"
	"strconv"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Keys of a checkpoint's metadata.
const (
	metaStep   = "ldm.step"
	metaConfig = "ldm.config"
	metaKind   = "ldm.task"
)

// trained lists what changes in training: weights, moments, shadows, and the
// running statistics that objectives update.
func (l *loop) trained() []string {
	var all []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	for _, p := range l.passes {
		for _, w := range p.weights {
			for _, prefix := range []string{"", firstMoment, secondMoment} {
				add(prefix + w.Name)
			}
			if l.cfg.EMA > 0 && p.Averaged {
				add(emaShadow + w.Name)
			}
		}
		for _, name := range p.updated() {
			add(name)
		}
	}
	return all
}

// save writes the checkpoint, and the model as it stands, each in one atomic
// step: at any moment the file is either the old one or the new one, whole.
// Randomness needs no state of its own, as every step's draws follow from the
// seed and the step's number.
func (l *loop) save() error {
	tensors, err := l.weights.Pull(l.trained()...)
	if err != nil {
		return err
	}
	maps.Copy(tensors, l.task.state())
	if err := l.verify(tensors); err != nil || !l.first() {
		return err
	}
	return l.write(tensors)
}

// saveLast saves what has been reached at the end of the run.
func (l *loop) saveLast() error {
	if !l.first() {
		unlock, saved, err := l.takeFolder()
		defer unlock()
		if saved || err != nil {
			return err
		}
	}
	tensors, err := l.weights.Pull(l.trained()...)
	if err != nil {
		return err
	}
	maps.Copy(tensors, l.task.state())
	return l.write(tensors)
}

func (l *loop) write(tensors engine.Vars) error {
	meta := map[string]string{metaStep: strconv.Itoa(l.step), metaConfig: l.config}
	maps.Copy(meta, l.task.facts().metadata())
	if err := checkpoint.Save(filepath.Join(l.Dir, CheckpointFile), tensors, meta, checkpoint.F32); err != nil {
		return err
	}
	l.saved = l.step
	return l.task.export(l.Dir)
}

// restore reads the checkpoint into vars.
func (l *loop) restore() error {
	path := filepath.Join(l.Dir, CheckpointFile)
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	step, err := strconv.Atoi(f.Metadata()[metaStep])
	if err != nil || step < 0 {
		return fault.Filef("%s: not a checkpoint of a training run: metadata has no %s", path, metaStep)
	}
	fresh := l.fresh(f)
	values := maps.Clone(l.task.state())
	if values == nil {
		values = map[string]*tensor.Tensor{}
	}
	for _, name := range l.trained() {
		values[name] = l.vars[name]
	}
	for name, t := range values {
		have, err := f.Read(name)
		if err != nil {
			if fresh[name] {
				continue
			}
			return fmt.Errorf("%w (was the model's configuration changed since?)", err)
		}
		if !have.Shape.Equal(t.Shape) {
			return fault.Inputf("%s: %s is %v, the configuration wants %v", path, name, have.Shape, t.Shape)
		}
		copy(t.F32, have.F32)
	}
	for _, p := range l.passes {
		for _, w := range p.weights {
			if shadow := l.vars[emaShadow+w.Name]; shadow != nil && fresh[emaShadow+w.Name] {
				copy(shadow.F32, l.vars[w.Name].F32)
			}
		}
	}
	l.step, l.saved = step, step
	return nil
}

// fresh lists what a checkpoint need not have: moving averages that were turned
// on since, and the parameters of an objective that was added.
func (l *loop) fresh(f *checkpoint.File) map[string]bool {
	has := func(name string) bool {
		_, ok := f.Info(name)
		return ok
	}
	fresh := map[string]bool{}
	for _, p := range l.passes {
		added := true
		for _, w := range p.weights {
			added = added && !has(w.Name)
		}
		averages := false
		for _, w := range p.weights {
			averages = averages || has(emaShadow+w.Name)
		}
		for _, w := range p.weights {
			fresh[w.Name], fresh[firstMoment+w.Name], fresh[secondMoment+w.Name] = added, added, added
			fresh[emaShadow+w.Name] = !averages
		}
		for _, name := range p.updated() {
			fresh[name] = !has(name)
		}
	}
	for name := range l.task.state() {
		fresh[name] = true
	}
	return fresh
}
