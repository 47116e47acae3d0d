package train

import (
	"fmt"
	"maps"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
)

// takeInit lets a configuration that has no model be that of the model which training
// begins with: its structure, its first stage and, where no other is named, its
// weights. Pictures may have another size than its own were.
func (c DiffusionConfig) takeInit(run Run) (DiffusionConfig, error) {
	if c.Model.Target != "" || c.Init == "" {
		return c, nil
	}
	f, err := modelfile.Open(c.Init, modelfile.Options{Log: func(l string) { run.line("init: %s", l) }})
	if err != nil {
		return c, fmt.Errorf("init: %w", err)
	}
	defer f.Close()
	if !model.IsDiffusion(f.Target) {
		return c, fault.Inputf("init: %s is no diffusion model: want one, or a configuration with a model", c.Init)
	}
	net, err := f.Network()
	if err != nil {
		return c, fmt.Errorf("init: %w", err)
	}
	c.Model = f.Target
	c.Model.Params = maps.Clone(c.Model.Params)
	c.Model.Params["image_size"] = c.Data.Size / net.FirstStage.Factor()
	delete(c.Model.Params, "ckpt_path")
	if c.FirstStage == "" {
		c.FirstStage = c.Init
	}
	return c, nil
}
