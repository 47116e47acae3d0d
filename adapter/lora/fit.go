package lora

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Fitted is an adapter with what it changes in a model.
type Fitted struct {
	Adapter *Adapter
	// Unused lists the tensors that fit nothing in the model, each with what it might
	// have been for.
	Unused  []string
	changes map[string][]change // by parameter
}

// change is what a module of an adapter changes.
type change struct {
	*module
	site
}

// Fit looks up what an adapter changes. One of which nothing fits, or whose shapes
// are another model's, is an error.
func (b *Base) Fit(a *Adapter) (*Fitted, error) {
	f := &Fitted{Adapter: a, changes: map[string][]change{}}
	place := map[*module]site{}
	for _, o := range a.ordered {
		found, err := b.place(a, o)
		if err != nil {
			return nil, err
		}
		for m, at := range found {
			place[m] = at
		}
	}
	for _, m := range a.modules {
		at, ok := b.modules[m.name]
		if !ok {
			f.unused(m.name, b.maybe(m.name), len(m.keys))
			continue
		}
		place[m] = at
	}
	for _, m := range slices.Concat(a.modules, a.counted()) {
		if at, ok := place[m]; ok {
			if err := f.take(b, m, at); err != nil {
				return nil, err
			}
		}
	}
	if len(f.changes) == 0 {
		return nil, fault.Inputf("%s is for another model: none of its changes fits this one, such as %s", a.Name(), first(f.Unused))
	}
	for _, name := range a.rest {
		f.unused(name, b.maybe(name), 1)
	}
	return f, nil
}

// counted are the modules that have numbers in place of names.
func (a *Adapter) counted() (out []*module) {
	for _, o := range a.ordered {
		out = append(out, o.modules...)
	}
	return out
}

func (f *Fitted) unused(name, what string, tensors int) {
	line := strconv.Quote(name)
	if tensors > 1 {
		line += " (" + strconv.Itoa(tensors) + " tensors)"
	}
	if what != "" {
		line += ": perhaps for " + what
		line = strings.Replace(line, ": perhaps for the nearest", ": the nearest", 1)
	}
	f.Unused = append(f.Unused, line)
}

// take checks the tensors of a change against the weight and the bias that it is
// for.
func (f *Fitted) take(b *Base, m *module, at site) error {
	a := f.Adapter
	weight, bias := at.shape(b.shapes[at.weight]), at.shape(b.shapes[at.bias])
	changesBias := false
	for _, p := range []part{diffBias, upBias} {
		if s := a.shape(m, p); s != nil {
			if bias == nil {
				return fault.Inputf("%s: %q: there is no %s in this model", a.Name(), m.keys[p], at.bias)
			}
			if s.Size() != bias.Size() {
				return f.misfit(m, p, bias)
			}
			changesBias = true
		}
	}
	if changesBias {
		f.changes[at.bias] = append(f.changes[at.bias], change{m, at})
	}
	if weight == nil {
		return fault.Inputf("%s: %q: there is no %s in this model", a.Name(), m.name, at.weight)
	}
	changes, err := a.check(m, weight)
	if changes {
		f.changes[at.weight] = append(f.changes[at.weight], change{m, at})
	}
	return err
}

// misfit is the error of a shape that is another model's.
func (f *Fitted) misfit(m *module, p part, want tensor.Shape) error {
	return f.Adapter.misfit(m, p, want)
}

func (a *Adapter) misfit(m *module, p part, want tensor.Shape) error {
	got := a.shape(m, p)
	hint := ""
	last := func(s tensor.Shape) int {
		if len(s) < 2 {
			return 0
		}
		return s[1]
	}
	switch {
	case last(got) == 1024 && last(want) == 768:
		hint = ": it is made for Stable Diffusion v2"
	case last(got) == 768 && last(want) == 1024:
		hint = ": it is made for Stable Diffusion v1"
	case last(got) == 2048:
		hint = ": it is made for Stable Diffusion XL"
	}
	return fault.Inputf("%s does not fit this model: %q is %v, for a weight of %v%s", a.Name(), m.keys[p], got, want, hint)
}

// Changes counts the weights and biases that are changed.
func (f *Fitted) Changes() int { return len(f.changes) }
