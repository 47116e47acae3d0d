package model

import (
	"os"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
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
	if IsRun(raw) {
		return f.Model, fault.Inputf("%s configures a training run, not a model: the run's model file holds its own configuration", name)
	}
	err := config.Parse(&f, name, raw, nil)
	return f.Model, err
}

// IsRun tells whether a YAML is that of a training run of this program, whose
// model part need not be whole.
func IsRun(raw []byte) bool {
	var all map[string]any
	return config.Parse(&all, "", raw, nil) == nil && all["train"] != nil
}

// DumpConfig writes a model's configuration as YAML that ParseConfig reads.
func DumpConfig(t config.Target) (string, error) { return config.Dump(file{Model: t}) }
