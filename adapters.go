package ldm

import (
	"context"
	"maps"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/engine"
)

// adapters are the changes that lie on a model's weights.
type adapters struct {
	names *lora.Base  // of what can be changed, made when it is first asked for
	base  engine.Vars // what is changed, as it was without any
}

// SetLoRA changes the weights by adapters, any number at once, in place of those
// that were set before: LoRAs of kohya-ss, diffusers, PEFT and cloneofsimo/lora, and
// LyCORIS's forms. Without any the weights are again what they were, bit for bit.
// The model is not read again; what is set counts from the next request on, and
// requests that run are waited for.
//
// It returns what in the files fits nothing in this model, one line for each name.
// A file of which nothing fits is an error; on any error nothing is changed.
func (m *Model) SetLoRA(ctx context.Context, uses ...lora.Use) (unused []string, err error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	a := &m.adapters
	if a.names == nil {
		params, err := m.net.AllParams()
		if err != nil {
			return nil, err
		}
		a.names = lora.NewBase(params, m.net.UNet)
	}
	var strong []lora.Strong
	for _, use := range uses {
		file, err := lora.Open(use.Path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		fitted, err := a.names.Fit(file)
		if err != nil {
			return nil, err
		}
		for _, line := range fitted.Unused {
			unused = append(unused, use.Path+": "+line)
		}
		strong = append(strong, lora.Strong{Fitted: fitted, UNet: use.UNet, Text: use.Text})
	}
	return unused, m.setChanges(ctx, strong)
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
