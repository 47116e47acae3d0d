// Package emoji holds the model in the box: a text-conditional latent diffusion
// model of 64x64 emoji, trained by this project on the Fluent emoji set. See
// NOTICE beside it.
package emoji

import (
	"embed"

	"github.com/ldm-go/ldm"
)

//go:embed model.safetensors
var files embed.FS

const name = "model.safetensors"

// Load returns the model.
func Load(opt ldm.Options) (*ldm.Model, error) { return ldm.OpenFS(files, name, opt) }

// FirstStage returns the model's first stage alone.
func FirstStage(opt ldm.Options) (*ldm.FirstStage, error) {
	return ldm.OpenFirstStageFS(files, name, opt)
}
