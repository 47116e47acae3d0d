// Package config reads YAML configurations in the reference's form: several
// files merged from left to right, then key.sub=value overrides, decoded
// strictly, so that a misspelt key is an error and not a silent default. Errors
// name the file and the line.
package config

import (
	"os"

	"github.com/goccy/go-yaml"
)

// Load merges the files and overrides and decodes them into dst, a pointer to
// a struct that holds the defaults.
func Load(dst any, files, overrides []string) error {
	d := newDocument()
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := d.merge(path, raw); err != nil {
			return err
		}
	}
	return d.finish(dst, overrides)
}

// Parse is Load for a text that was read before; name is for errors.
func Parse(dst any, name string, raw []byte, overrides []string) error {
	d := newDocument()
	if err := d.merge(name, raw); err != nil {
		return err
	}
	return d.finish(dst, overrides)
}

func (d *document) finish(dst any, overrides []string) error {
	for _, o := range overrides {
		if err := d.override(dst, o); err != nil {
			return err
		}
	}
	return decode(dst, d.values, origin{places: d.places})
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
