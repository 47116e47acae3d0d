// Package config reads YAML configurations in the reference's form: several
// files merged from left to right, then key.sub=value overrides, decoded
// strictly, so that a misspelt key is an error and not a silent default.
package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Load merges the files and overrides and decodes them into dst, a pointer to
// a struct that holds the defaults.
func Load(dst any, files, overrides []string) error {
	merged := map[string]any{}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := merge(merged, path, raw); err != nil {
			return err
		}
	}
	return finish(dst, merged, overrides, strings.Join(files, ", "))
}

// Parse is Load for a text that was read before; name is for errors.
func Parse(dst any, name string, raw []byte, overrides []string) error {
	merged := map[string]any{}
	if err := merge(merged, name, raw); err != nil {
		return err
	}
	return finish(dst, merged, overrides, name)
}

func merge(into map[string]any, name string, raw []byte) error {
	var m map[string]any
	if err := yaml.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	mergeMaps(into, m)
	return nil
}

func mergeMaps(into, from map[string]any) {
	for k, v := range from {
		sub, ok := v.(map[string]any)
		old, both := into[k].(map[string]any)
		if ok && both {
			mergeMaps(old, sub)
			continue
		}
		into[k] = v
	}
}

func finish(dst any, merged map[string]any, overrides []string, name string) error {
	for _, o := range overrides {
		if err := override(merged, o); err != nil {
			return err
		}
	}
	if err := decode(dst, merged); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimPrefix(name+" with overrides", " with "), err)
	}
	return nil
}

// override sets key.sub=value, the value being YAML.
func override(m map[string]any, o string) error {
	key, value, ok := strings.Cut(o, "=")
	if !ok || key == "" {
		return fmt.Errorf("override %q: want key.sub=value", o)
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		return fmt.Errorf("override %q: %w", o, err)
	}
	path := strings.Split(key, ".")
	for _, k := range path[:len(path)-1] {
		sub, ok := m[k].(map[string]any)
		if !ok {
			sub = map[string]any{}
			m[k] = sub
		}
		m = sub
	}
	m[path[len(path)-1]] = v
	return nil
}

// decode checks the keys against the struct's and decodes.
func decode(dst any, m map[string]any) error {
	if err := checkKeys(reflect.TypeOf(dst).Elem(), m, ""); err != nil {
		return err
	}
	raw, err := yaml.Marshal(m)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(raw, dst)
}

// checkKeys refuses keys that the type has no field for.
func checkKeys(t reflect.Type, m map[string]any, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	fields := fieldsOf(t)
	for k, v := range m {
		f, ok := fields[k]
		if !ok {
			known := make([]string, 0, len(fields))
			for name := range fields {
				known = append(known, name)
			}
			slices.Sort(known)
			return fmt.Errorf("unknown key %s: known here are %s", path+k, strings.Join(known, ", "))
		}
		if sub, isMap := v.(map[string]any); isMap {
			if err := checkKeys(f, sub, path+k+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldsOf lists a struct's YAML keys, those of inlined structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(options, "inline") {
			for k, v := range fieldsOf(f.Type) {
				fields[k] = v
			}
		} else if name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

// Dump writes a configuration as YAML.
func Dump(v any) (string, error) {
	raw, err := yaml.Marshal(v)
	return string(raw), err
}

// Map is a configuration's struct as the map that its YAML is.
func Map(v any) (m map[string]any, err error) {
	text, err := Dump(v)
	if err == nil {
		err = yaml.Unmarshal([]byte(text), &m)
	}
	return m, err
}

// Target names a module of the reference with its arguments, as in
// "target: ldm.models.autoencoder.AutoencoderKL".
type Target struct {
	Target string         `yaml:"target"`
	Params map[string]any `yaml:"params,omitempty"`

	BaseLearningRate float64 `yaml:"base_learning_rate,omitempty"` // of the reference's models
}

// Decode decodes the arguments strictly into dst, which holds the defaults.
func (t Target) Decode(dst any) error {
	if t.Params == nil {
		return nil
	}
	if err := decode(dst, t.Params); err != nil {
		return fmt.Errorf("%s: %w", t.Target, err)
	}
	return nil
}
