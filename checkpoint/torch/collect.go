package torch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDepth = 32      // of dictionaries in dictionaries
	maxSeen  = 1 << 20 // entries that are looked at; a dictionary may be in many others
)

// found is a tensor under its name.
type found struct {
	name string
	view *view
}

// collect takes what is wanted out of the unpickled value and drops the rest.
func collect(top any, find extent) ([]Tensor, map[string]string, error) {
	all, err := tensorsOf(top)
	if err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("no tensors in the checkpoint, which is %s; want them in a dictionary state_dict, or in the top dictionary", kindOf(top))
	}
	last := map[string]int{} // a later entry of the same key replaces an earlier one
	for i, f := range all {
		last[f.name] = i
	}
	var tensors []Tensor
	for i, f := range all {
		if last[f.name] != i {
			continue
		}
		t, err := f.view.locate(find)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", plain(f.name), err)
		}
		t.Name = f.name
		if tensors = append(tensors, t); len(tensors) > maxTensors {
			return nil, nil, fmt.Errorf("the state dict has more than %d tensors, the most that are read", maxTensors)
		}
	}
	d, _ := asDict(top)
	return tensors, scalars(d), nil
}

// tensorsOf finds the state dict: the entry state_dict, or the top where tensors
// lie there. Where neither is so, it is the one dictionary (or module) that holds
// tensors, whatever its name, the state of training apart; of several, all tensors
// are taken under names that begin with the dictionaries'. A tensor alone and a
// list of tensors have names made up: tensor, and 0, 1, ...
func tensorsOf(top any) ([]found, error) {
	w := &walk{}
	d, ok := asDict(top)
	if !ok {
		if o, isObject := top.(*object); isObject && o.module() == nil {
			return nil, nil
		}
		return w.under("", top, 0), w.err
	}
	if v, ok := d.get("state_dict"); ok {
		state, isDict := asDict(v)
		if !isDict {
			return nil, fmt.Errorf("state_dict is %s; want a dictionary of tensors", kindOf(v))
		}
		return w.direct(state), w.err
	}
	if direct := w.direct(d); len(direct) > 0 {
		return direct, w.err
	}
	var all []found
	holders := 0
	for _, p := range d.pairs {
		if training(p.key) {
			continue
		}
		part := w.under("", p.value, 0)
		if len(part) == 0 {
			continue
		}
		if holders++; holders == 2 {
			return w.under("", withoutTraining(d), 0), w.err
		}
		all = part
		if _, bare := p.value.(*view); !bare && !stateName(p.key) {
			all = w.under(p.key, p.value, 0)
		}
	}
	return all, w.err
}

// stateName tells whether a dictionary of this name is a model's state dict, so
// that its tensors' names are whole without it.
func stateName(key string) bool {
	switch key {
	case "model", "module", "net", "network", "weights", "params", "params_ema", "ema", "model_ema":
		return true
	}
	return strings.HasSuffix(key, "state_dict")
}

// training tells whether an entry of that name is the state of training alone.
func training(key string) bool {
	for _, begin := range []string{"optim", "opt", "lr_", "scheduler", "scaler", "callbacks", "loops", "rng"} {
		if strings.HasPrefix(key, begin) {
			return true
		}
	}
	return false
}

func withoutTraining(d *dict) *dict {
	kept := &dict{}
	for _, p := range d.pairs {
		if !training(p.key) {
			kept.pairs = append(kept.pairs, p)
		}
	}
	return kept
}

// walk looks for tensors in dictionaries of dictionaries, and counts.
type walk struct {
	seen int
	err  error
}

func (w *walk) more() bool {
	if w.seen++; w.seen > maxSeen && w.err == nil {
		w.err = errors.New("the checkpoint's dictionaries have more entries than are read")
	}
	return w.err == nil
}

// direct are the tensors of a dictionary itself.
func (w *walk) direct(d *dict) (all []found) {
	for _, p := range d.pairs {
		if v, ok := p.value.(*view); ok && w.more() {
			all = append(all, found{p.key, v})
		}
	}
	return all
}

// under are all tensors of a value, under names that begin with its own.
func (w *walk) under(name string, v any, depth int) (all []found) {
	if depth > maxDepth || !w.more() {
		return nil
	}
	inside := func(key string) string { return strings.TrimPrefix(name+"."+key, ".") }
	switch v := v.(type) {
	case *view:
		if name == "" {
			name = "tensor"
		}
		return []found{{name, v}}
	case tuple:
		for i, item := range v {
			all = append(all, w.under(inside(strconv.Itoa(i)), item, depth+1)...)
		}
	case *list:
		return w.under(name, tuple(v.items), depth)
	case *dict:
		for _, p := range v.pairs {
			all = append(all, w.under(inside(p.key), p.value, depth+1)...)
		}
	case *object:
		all = w.under(name, &v.dict, depth)
		for _, part := range v.module() {
			all = append(all, w.under(name, part, depth+1)...)
		}
	}
	return all
}

// module is what a module of torch holds, by name: its parameters, its buffers
// and the modules in it.
func (o *object) module() (parts []any) {
	state, _ := o.state.(*dict)
	if state == nil {
		return nil
	}
	for _, key := range []string{"_parameters", "_buffers", "_modules"} {
		if part, ok := state.get(key); ok {
			parts = append(parts, part)
		}
	}
	return parts
}

// scalars are the plain values of the top dictionary, and for each other
// dictionary in it how many tensors it holds, if any.
func scalars(d *dict) map[string]string {
	out := map[string]string{}
	if d == nil {
		return out
	}
	for _, p := range d.pairs {
		delete(out, p.key)
		switch v := p.value.(type) {
		case string:
			out[p.key] = v
		case int64:
			out[p.key] = strconv.FormatInt(v, 10)
		case float64:
			out[p.key] = strconv.FormatFloat(v, 'g', -1, 64)
		case *dict, *object:
			w := walk{}
			if n := len(w.under("", v, 0)); n > 0 && w.err == nil && p.key != "state_dict" && !training(p.key) {
				out[p.key] = fmt.Sprintf("a dictionary of %d tensors", n)
			}
		}
	}
	return out
}
