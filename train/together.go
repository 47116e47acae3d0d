package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/hosts"
	"github.com/ldm-go/ldm/tensor"
)

// Several processes take one run together: each has the whole state, computes its parts of
// a step's gradients, and does the same update. Rank 0 writes the run's folder. If it is
// lost, the others save what they have come to, each into its own folder (or the first of
// them into the folder that they share); the newest of all is what a new start goes on from.

// mayDiffer lists keys of the configuration that a host may have its own values of.
// What the files hold is compared by digests.
var mayDiffer = []string{
	"data.train", "data.validation", "first_stage", "conditioner", "init", "cache_mb", "loss.lpips",
	"train.threads", "train.max_memory",
}

// join meets the other processes, and wants them to be about to do the same.
func (l *loop) join(ctx context.Context) (err error) {
	if l.Hosts.World() == 1 {
		return nil
	}
	o := l.Hosts
	o.Line = l.Line
	if l.group, err = hosts.Join(ctx, o); err != nil {
		return err
	}
	facts, err := l.common()
	if err != nil {
		return err
	}
	return l.group.Agree(ctx, facts)
}

// common is what has to be the same in all processes.
func (l *loop) common() (map[string]string, error) {
	var tree map[string]any
	if err := config.Parse(&tree, ConfigFile, []byte(l.config), nil); err != nil {
		return nil, err
	}
	all := map[string]string{"ldm": build(), "engine": fmt.Sprint(l.Engine)}
	flatten(all, "", tree)
	for _, key := range mayDiffer {
		delete(all, key)
	}
	for key, v := range l.task.facts().metadata() {
		if len(v) > 256 { // a vocabulary
			v = fmt.Sprintf("%d bytes with the digest %x", len(v), sha256.Sum256([]byte(v)))
		}
		all[strings.TrimPrefix(key, "ldm.")] = v
	}
	return all, nil
}

// flatten lists the values of a configuration by their keys.
func flatten(into map[string]string, prefix string, tree map[string]any) {
	for key, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			flatten(into, prefix+key+".", sub)
			continue
		}
		into[prefix+key] = fmt.Sprint(v)
	}
}

// build names this program: its version, and the commit if it is known.
func build() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := b.Main.Version
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
}

// align gives all processes the newest state that one of them has, before it is loaded.
func (l *loop) align(ctx context.Context) error {
	if l.group == nil {
		return nil
	}
	state := l.everything()
	mine := fmt.Sprintf("%d %s", l.step, digestOfVars(state))
	notes, err := l.group.Gather(ctx, []byte(mine))
	if err != nil {
		return err
	}
	newest, from, same := -1, 0, true
	for rank, n := range notes {
		text, _, _ := strings.Cut(string(n), " ")
		step, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("rank %d sent what is no step", rank)
		}
		if step > newest {
			newest, from = step, rank
		}
		same = same && string(n) == string(notes[0])
	}
	if same {
		return nil
	}
	l.line("all processes take over step %d from rank %d", newest, from)
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if err := l.group.Broadcast(ctx, from, state[name].F32); err != nil {
			return err
		}
	}
	l.step = newest
	return nil
}

// everything is what a checkpoint holds, before it is on the device.
func (l *loop) everything() engine.Vars {
	state := engine.Vars{}
	for _, name := range l.trained() {
		state[name] = l.vars[name]
	}
	maps.Copy(state, l.task.state())
	return state
}

// first tells whether this process writes the run's folder.
func (l *loop) first() bool { return l.group == nil || l.group.Rank() == 0 }

// verify wants all processes to have the same weights as rank 0.
func (l *loop) verify(tensors map[string]*tensor.Tensor) error {
	if l.group == nil || l.group.Err() != nil {
		return nil
	}
	notes, err := l.group.Gather(context.Background(), []byte(digestOfVars(tensors)))
	if err != nil {
		return err
	}
	for rank, n := range notes {
		if string(n) != string(notes[0]) {
			return fmt.Errorf("the weights of rank %d are not those of rank 0 at step %d: does a machine compute wrongly?", rank, l.step)
		}
	}
	return nil
}

// broken is the loss of a process in place of what it made of err, such as a run of a
// program that was stopped for it.
func (l *loop) broken(err error) error {
	if l.group == nil || err == nil {
		return err
	}
	if lost := l.group.Err(); lost != nil && errors.Is(err, context.Canceled) {
		return lost
	}
	return err
}

// keeps tells whether this process is to save the state at its end.
func (l *loop) keeps() bool {
	if l.first() {
		return true
	}
	var lost *hosts.Lost
	return errors.As(l.group.Err(), &lost) && lost.Rank == 0 && !lost.Saved
}

// takeFolder makes this process the one that writes the folder, where rank 0 is gone. It
// is not if another has been faster and has saved as much.
func (l *loop) takeFolder() (unlock func(), saved bool, err error) {
	alone := l.Run
	alone.Hosts = hosts.Options{}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if unlock, err = alone.lock(); err == nil {
			break
		}
		if time.Now().After(end) {
			unlock = func() {}
			break
		}
	}
	p, _ := readPrevious(filepath.Join(l.Dir, CheckpointFile))
	if p != nil && p.step >= l.step {
		l.saved = p.step
		return unlock, true, nil
	}
	return unlock, false, err
}

// leave tells the others why this process ends.
func (l *loop) leave(err error, saved bool) {
	if l.group != nil {
		l.group.Close(err, saved)
	}
}

// suffix sets apart what several processes keep in one folder.
func (r Run) suffix() string {
	if r.Hosts.Rank == 0 {
		return ""
	}
	return fmt.Sprintf("-%d", r.Hosts.Rank)
}
