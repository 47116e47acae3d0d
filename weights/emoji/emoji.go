// Package emoji holds the model in the box: a text-conditional latent diffusion
// model of 64x64 emoji, trained by this project on the Fluent emoji set. See
// NOTICE beside it.
package emoji

import (
	"bytes"
	_ "embed"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
)

//go:embed model.safetensors
var model []byte

func file() (*checkpoint.File, error) {
	return checkpoint.NewFile("built-in emoji model", bytes.NewReader(model), int64(len(model)))
}

// Load returns the model.
func Load(opt ldm.Options) (*ldm.Model, error) {
	f, err := file()
	if err != nil {
		return nil, err
	}
	return ldm.Load(f, opt)
}

// FirstStage returns the configuration and weights of the model's first stage alone.
func FirstStage() (autoencoder.Config, engine.Vars, error) {
	f, err := file()
	if err != nil {
		return autoencoder.Config{}, nil, err
	}
	return ldm.FirstStageOf(f)
}
