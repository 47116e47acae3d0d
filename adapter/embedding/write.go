package embedding

import (
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Form is that of a file with a learnt word.
type Form string

// The forms that are written, both as safetensors: diffusers' has the word's name in it,
// of A1111's the file is called by it.
const (
	Diffusers Form = "diffusers"
	A1111     Form = "a1111"
)

// Write writes the vectors [n, width] of a word.
func Write(path, name string, vectors *tensor.Tensor, form Form) error {
	key := name
	switch form {
	case Diffusers:
	case A1111:
		key = nameInvoke
	default:
		return fault.Inputf("the form %q of a learnt word: want %s or %s", form, Diffusers, A1111)
	}
	return checkpoint.Save(path, map[string]*tensor.Tensor{key: vectors}, nil, checkpoint.F32)
}
