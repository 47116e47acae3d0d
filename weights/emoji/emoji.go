// Package emoji holds the model in the box: a text-conditional latent diffusion
// model of 64x64 emoji, trained by this project on the Fluent emoji set. See
// NOTICE beside it.
package emoji

import (
	"embed"
	"sync"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/modelfile"
)

//go:embed model.safetensors emoji-lcm.safetensors
var files embed.FS

const name = "model.safetensors"

// Load returns the model.
func Load(opt ldm.Options) (*ldm.Model, error) { return ldm.OpenFS(files, name, opt) }

// FirstStage returns the model's first stage alone.
func FirstStage(opt ldm.Options) (*ldm.FirstStage, error) {
	return ldm.OpenFirstStageFS(files, name, opt)
}

// Open returns the model's file, whose weights are not read yet.
func Open(o modelfile.Options) (*modelfile.File, error) { return modelfile.OpenFS(files, name, o) }

// SHA256 is the file's digest, in hexadecimal.
var SHA256 = sync.OnceValue(func() string {
	sum, _ := modelfile.SHA256FS(files, name) // it is in the program
	return sum
})

// Bytes returns a copy of the file.
func Bytes() []byte {
	data, _ := files.ReadFile(name) // it is in the program
	return data
}
