package ldm

import (
	"context"
	"maps"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/sampler"
)

// adapters are the changes that lie on a model's weights.
type adapters struct {
	names   *lora.Base  // of what can be changed, made when it is first asked for
	base    engine.Vars // what is changed, as it was without any
	digest  string      // lora.Digest of the model without any, once it is known
	student bool        // they make the model a consistency student
}

// SetLoRA changes the weights by adapters, any number at once, in place of those
// that were set before: LoRAs of kohya-ss, diffusers, PEFT and cloneofsimo/lora, and
// LyCORIS's forms. Without any the weights are again what they were, bit for bit.
// The model is not read again; what is set counts from the next request on, and
// requests that run are waited for.
//
// It returns what in the files fits nothing in this model, one line for each name.
// A file of which nothing fits, or that says that it is for another model alone, is an
// error; on any error nothing is changed. A LoRA that makes the model a consistency
// student (ldm distill) gives it the defaults of one: see Defaults.
func (m *Model) SetLoRA(ctx context.Context, uses ...lora.Use) (unused []string, err error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	names, err := m.adapterNames()
	if err != nil {
		return nil, err
	}
	var strong []lora.Strong
	student := false
	for _, use := range uses {
		file, err := use.Open()
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := m.checkTeacher(file); err != nil {
			return nil, err
		}
		if use.UNet != 0 && file.Consistency() && m.net.IsStudent() {
			return nil, fault.Inputf("%s makes a model a consistency student: this one is a student already", use.Path)
		}
		fitted, err := names.Fit(file)
		if err != nil {
			return nil, err
		}
		for _, line := range fitted.Unused {
			unused = append(unused, use.Path+": "+line)
		}
		student = student || use.UNet != 0 && file.Consistency()
		strong = append(strong, lora.Strong{Fitted: fitted, UNet: use.UNet, Text: use.Text})
	}
	if err := m.setChanges(ctx, strong); err != nil {
		return nil, err
	}
	m.adapters.student = student
	return unused, nil
}

// adapterNames is the table of what can be changed.
func (m *Model) adapterNames() (*lora.Base, error) {
	if m.adapters.names == nil {
		params, err := m.net.AllParams()
		if err != nil {
			return nil, err
		}
		m.adapters.names = lora.NewBase(params, m.net.UNet)
	}
	return m.adapters.names, nil
}

// checkTeacher refuses an adapter that is for another model alone.
func (m *Model) checkTeacher(file *lora.Adapter) error {
	want := file.OnlyOn()
	if want == "" {
		return nil
	}
	if m.adapters.digest == "" {
		params, err := m.net.AllParams()
		if err != nil {
			return err
		}
		var names []string
		for _, p := range params {
			if lora.InDigest(p.Name, p.Shape) {
				names = append(names, p.Name)
			}
		}
		vars, err := m.weights.Pull(names...)
		if err != nil {
			return err
		}
		for name := range vars {
			if plain := m.adapters.base[name]; plain != nil {
				vars[name] = plain
			}
		}
		m.adapters.digest = lora.Digest(vars)
	}
	if have := m.adapters.digest; have != want {
		return fault.Inputf("%s was made of another model, and for that alone: it wants the denoiser with the digest %s, and this one has %s", file.Name(), want, have)
	}
	return nil
}

// keepLoRA makes what LoRAs change a part of the model, under all that SetLoRA sets.
func (m *Model) keepLoRA(uses []lora.Use) error {
	if len(uses) == 0 {
		return nil
	}
	unused, err := m.SetLoRA(context.Background(), uses...)
	if err == nil && len(unused) > 0 {
		err = fault.Inputf("%s", unused[0])
	}
	if err != nil {
		return err
	}
	if m.adapters.student {
		m.net.Params.Consistency = true
		m.target.Params = maps.Clone(m.target.Params)
		m.target.Params["consistency"] = true
	}
	m.adapters = adapters{names: m.adapters.names}
	return nil
}

// setChanges puts changes in place of those that lie on the weights.
func (m *Model) setChanges(ctx context.Context, strong []lora.Strong) error {
	base := engine.Vars{}
	var fresh []string
	for _, name := range lora.Changed(strong) {
		if base[name] = m.adapters.base[name]; base[name] == nil {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) > 0 {
		vars, err := m.weights.Pull(fresh...)
		if err != nil {
			return err
		}
		maps.Copy(base, vars)
	}
	changed, err := lora.Merge(ctx, base, strong, m.hold)
	if err != nil {
		return err
	}
	for name, t := range m.adapters.base {
		if changed[name] == nil {
			changed[name] = t
		}
	}
	if len(changed) > 0 {
		if err := m.weights.Push(changed); err != nil {
			return err
		}
	}
	m.adapters.base = base
	return nil
}

// Defaults are the settings of a request that does not say them.
type Defaults struct {
	Steps    int
	Sampler  sampler.Method
	Guidance float64 // scale of classifier-free guidance; 1: none
}

// Defaults are those of the model, as it is with the LoRAs that lie on it.
func (m *Model) Defaults() Defaults {
	m.changing.RLock()
	defer m.changing.RUnlock()
	return m.defaults()
}

func (m *Model) defaults() Defaults {
	net := *m.net
	net.Params.Consistency = net.Params.Consistency || m.adapters.student
	return Defaults{Steps: net.DefaultSteps(), Sampler: net.DefaultSampler(), Guidance: net.DefaultGuidance()}
}
