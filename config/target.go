package config

import (
	"fmt"
	"maps"
	"slices"
)

// Target names a module of the reference with its arguments, as in
// "target: ldm.models.autoencoder.AutoencoderKL".
type Target struct {
	Target string         `yaml:"target"`
	Params map[string]any `yaml:"params,omitempty"`

	BaseLearningRate float64 `yaml:"base_learning_rate,omitempty"` // of the reference's models

	from origin // of the arguments
}

// Decode decodes the arguments strictly into dst, a pointer to a struct that
// holds the defaults.
func (t Target) Decode(dst any) error {
	if t.Params == nil {
		return nil
	}
	return t.name(decode(dst, t.Params, t.from))
}

// Inside decodes one of the arguments, which is a mapping itself.
func (t Target) Inside(key string, dst any) error {
	v := t.Params[key]
	if v != nil {
		v = plain(v)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return t.name(t.from.errorf(key, "%s is %s: want a mapping", t.from.path(key), show(v)))
	}
	return t.name(decode(dst, m, t.from.inside(key)))
}

// name names the target in errors that do not say where they were written.
func (t Target) name(err error) error {
	if err == nil || t.from.places != nil {
		return err
	}
	return fmt.Errorf("%s: %w", t.Target, err)
}

// Without is the target without some of its arguments, and the names of those
// that had a value.
func (t Target) Without(keys ...string) (Target, []string) {
	var had []string
	for _, k := range keys {
		if t.Params[k] != nil {
			had = append(had, k)
		}
	}
	t.Params = maps.Clone(t.Params)
	maps.DeleteFunc(t.Params, func(k string, _ any) bool { return slices.Contains(keys, k) })
	return t, had
}
