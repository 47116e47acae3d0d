package model

import (
	"os"

	"github.com/ldm-go/ldm/config"
)

// file is the configuration of a model: the part of the reference's YAML
// that says what the model is. The rest is how it was trained.
type file struct {
	Model     config.Target `yaml:"model"`
	Data      any           `yaml:"data,omitempty"`
	Lightning any           `yaml:"lightning,omitempty"`
}

// ReadConfig reads the model of a YAML in the reference's form, as it is.
func ReadConfig(path string) (config.Target, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return config.Target{}, err
	}
	return ParseConfig(path, raw)
}

// ParseConfig is ReadConfig for a text that was read before; name is for errors.
func ParseConfig(name string, raw []byte) (config.Target, error) {
	var f file
	err := config.Parse(&f, name, raw, nil)
	return f.Model, err
}

// DumpConfig writes a model's configuration as YAML that ParseConfig reads.
func DumpConfig(t config.Target) (string, error) { return config.Dump(file{Model: t}) }
