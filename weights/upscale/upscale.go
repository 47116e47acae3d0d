// Package upscale holds the model in the box that makes photographs four times as large. See NOTICE
// beside it.
package upscale

import (
	"embed"
	"sync"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/modelfile"
)

//go:embed model.safetensors
var files embed.FS

const name = "model.safetensors"

// Load returns the model.
func Load(opt ldm.Options) (*ldm.Model, error) { return ldm.OpenFS(files, name, opt) }

// SHA256 is the file's digest, in hexadecimal.
var SHA256 = sync.OnceValue(func() string {
	sum, _ := modelfile.SHA256FS(files, name) // it is in the program
	return sum
})
