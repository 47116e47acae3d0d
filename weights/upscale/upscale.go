// Package upscale holds the model in the box that makes photographs four times as large. See NOTICE
// beside it.
package upscale

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"sync"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/modelfile"
)

//go:embed model.safetensors
var files embed.FS

const name = "model.safetensors"

// Load returns the model.
func Load(opt ldm.Options) (*ldm.Model, error) { return ldm.OpenFS(files, name, opt) }

// Open returns the model's file, whose weights are not read yet.
func Open(o modelfile.Options) (*modelfile.File, error) { return modelfile.OpenFS(files, name, o) }

// SHA256 is the file's digest, in hexadecimal.
var SHA256 = sync.OnceValue(func() string {
	sum := sha256.Sum256(Bytes())
	return hex.EncodeToString(sum[:])
})

// Bytes returns a copy of the file.
func Bytes() []byte {
	data, _ := files.ReadFile(name) // it is in the program
	return data
}
