package ldm

import (
	"os"

	"github.com/ldm-go/ldm/config"
)

// modelFile is the configuration of a model: the part of the reference's YAML
// that says what the model is. The rest is how it was trained.
type modelFile struct {
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
	return parseConfig(path, raw)
}

func parseConfig(name string, raw []byte) (config.Target, error) {
	var m modelFile
	err := config.Parse(&m, name, raw, nil)
	return m.Model, err
}
