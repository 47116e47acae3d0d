// Package emoji holds the model in the box: a text-conditional latent diffusion
// model of 64x64 emoji, trained by this project on the Fluent emoji set. See
// NOTICE beside it.
package emoji

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
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
	h := sha256.New()
	if f, err := files.Open(name); err == nil { // it is in the program
		io.Copy(h, f)
	}
	return hex.EncodeToString(h.Sum(nil))
})

// Bytes returns a copy of the file.
func Bytes() []byte {
	data, _ := files.ReadFile(name) // it is in the program
	return data
}
