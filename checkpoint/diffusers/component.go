package diffusers

import (
	"io/fs"
	"slices"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// The classes of components that OpenStage reads.
const (
	classKL   = "AutoencoderKL"
	classVQ   = "VQModel"
	classTiny = "AutoencoderTiny"
)

// ConfigFile is the file that makes a directory one of a component.
const ConfigFile = "config.json"

// IsStage tells whether a class is that of a first stage which OpenStage reads.
func IsStage(class string) bool { return class == classKL || class == classVQ }

// IsTiny tells whether a class is that of a tiny autoencoder.
func IsTiny(class string) bool { return class == classTiny }

// Component is the class of a directory that is one component of a model, such
// as AutoencoderKL or CLIPTextModel; "" where it is none.
func Component(name string, fsys fs.FS) string {
	d := directory{name, fsys}
	for file, class := range map[string]string{
		"tokenizer_config.json": "a tokenizer", "scheduler_config.json": "a scheduler",
		"preprocessor_config.json": "a feature extractor", "adapter_config.json": "a PEFT adapter",
	} {
		if d.exists(file) && !d.exists(ConfigFile) {
			return class
		}
	}
	o, err := d.object(ConfigFile)
	if err != nil {
		return ""
	}
	if class, ok := o.get("_class_name").(string); ok {
		return class
	}
	if list, ok := o.get("architectures").([]any); ok && len(list) > 0 {
		class, _ := list[0].(string)
		return class
	}
	return ""
}

// OpenStage reads the JSON file of a directory that is one first stage alone.
// Our names have no prefix.
func OpenStage(name string, fsys fs.FS) (*Layout, error) {
	d := directory{name, fsys}
	v, err := readStage(d, ".")
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	if v.target == config.TargetVQModelInterface {
		v.target = config.TargetVQModel
	}
	p := Part{Folder: ".", names: v.names}
	if p.Files, err = weights(d, p.Folder); err != nil {
		return nil, fault.As(fault.File, err)
	}
	noScale := func(line string) bool { return slices.Contains(v.scaleAssumed, line) } // of no consequence here
	return &Layout{
		Target:  config.Target{Target: v.target, Params: v.params},
		Parts:   []Part{p},
		Assumed: slices.DeleteFunc(v.assumed, noScale),
	}, nil
}
