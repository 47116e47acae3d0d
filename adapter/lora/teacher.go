package lora

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// The names under which a file's metadata says what a student of a model is.
const (
	MetaConsistency = "ldm.consistency" // "true": with it, a model is sampled as a consistency student
	MetaOnly        = "ldm.only_on"     // the Digest of the one model that it was made for
)

// Consistency tells whether a model with the adapter is a consistency student, for few
// steps of LCM without guidance (latent consistency distillation, arXiv 2310.04378).
func (a *Adapter) Consistency() bool { return a.file.Metadata()[MetaConsistency] == "true" }

// OnlyOn is the Digest of the one model that the adapter fits; "" where it may lie on any
// of its shapes.
func (a *Adapter) OnlyOn() string { return a.file.Metadata()[MetaOnly] }

// InDigest tells whether Digest reads a parameter: all biases and norms of the denoiser,
// which are few numbers, but from all of its layers.
func InDigest(name string, shape tensor.Shape) bool {
	return strings.HasPrefix(name, prefixUNet) && len(shape) == 1
}

// Digest names a model by the values of InDigest's parameters, as numbers of 32 bits, so
// that a copy in another format is the same model if it has the same numbers.
func Digest(vars engine.Vars) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		v := vars[name]
		if !InDigest(name, v.Shape) {
			continue
		}
		fmt.Fprintf(h, "%q\n", name)
		for _, x := range v.Float32().F32 {
			binary.Write(h, binary.LittleEndian, math.Float32bits(x)) // a hash reports no error
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
