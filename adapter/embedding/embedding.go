// Package embedding reads words that a text encoder was taught (textual inversion,
// Gal et al., arXiv 2208.01618): one or several vectors that stand in the place of
// tokens. Read are the files of A1111 (.pt), diffusers and the library of concepts
// (.bin, .safetensors) and InvokeAI.
package embedding

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// The most words of a file, and vectors of a word, that are read.
const (
	maxWords   = 256
	maxVectors = 75 // as many as CLIP reads at once
)

// Word is a learnt word.
type Word struct {
	Name    string         // as prompts write it
	Vectors *tensor.Tensor // [n, width]
}

// Names of tensors that say nothing of the word, which is then called as its file.
const (
	nameInvoke = "emb_params"
	nameA1111  = "string_to_param."
)

// Open reads the words of a file for a text encoder of that many channels. A word
// that has no name of its own is called as the file is; name, unless it is empty,
// names the one word of a file.
func Open(path, name string, width int) ([]Word, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, path, name, width)
}

func read(f *checkpoint.File, path, name string, width int) ([]Word, error) {
	keys := f.Names()
	switch {
	case len(keys) > maxWords:
		return nil, fault.Filef("%s holds %d tensors: want an embedding (textual inversion), of at most %d words", path, len(keys), maxWords)
	case slices.Contains(keys, "clip_g"):
		return nil, fault.Unsupportedf("%s is an embedding for Stable Diffusion XL, which has two text encoders", path)
	case name != "" && len(keys) != 1:
		return nil, fault.Inputf("%s holds %d words: %q can name one alone", path, len(keys), name)
	}
	file := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	file = strings.TrimSuffix(file, ".ti")
	var words []Word
	for _, key := range keys {
		v, err := vectors(f, path, key, width)
		if err != nil {
			return nil, err
		}
		w := Word{Name: name, Vectors: v}
		switch {
		case name != "":
		case key == nameInvoke, strings.HasPrefix(key, nameA1111), key == "clip_l", key == "tensor":
			w.Name = file
		default:
			w.Name = key
		}
		if strings.TrimSpace(w.Name) == "" || strings.ContainsAny(w.Name, "\n\r\t\x00") {
			return nil, fault.Filef("%s: a word called %q: want a name that can stand in a prompt", path, w.Name)
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return nil, fault.Filef("%s holds no vectors: want an embedding (textual inversion)", path)
	}
	return words, nil
}

// vectors reads the vectors of one word.
func vectors(f *checkpoint.File, path, key string, width int) (*tensor.Tensor, error) {
	info, _ := f.Info(key)
	s := info.Shape
	switch {
	case len(s) < 1 || len(s) > 2 || s.Size() == 0:
		return nil, fault.Filef("%s: %q is of shape %v: want the vectors of a word, [n, %d]", path, key, s, width)
	case s[len(s)-1] != width:
		return nil, fault.Inputf("%s: %q has vectors of %d channels%s: want %d, as this model's text encoder has", path, key, s[len(s)-1], madeFor(s[len(s)-1]), width)
	case len(s) == 2 && s[0] > maxVectors:
		return nil, fault.Filef("%s: %q has %d vectors: want at most %d", path, key, s[0], maxVectors)
	}
	t, err := f.Read(key)
	if err != nil {
		return nil, err
	}
	if t.F32 == nil {
		return nil, fault.Filef("%s: %q is of integers", path, key)
	}
	for i, v := range t.F32 {
		if v-v != 0 {
			return nil, fault.Filef("%s: %q: element %d is %g", path, key, i, v)
		}
	}
	return tensor.Of(t.F32, len(t.F32)/width, width), nil
}

// madeFor names the models whose text encoders have a width.
func madeFor(width int) string {
	switch width {
	case 768:
		return " (it is made for Stable Diffusion v1)"
	case 1024:
		return " (it is made for Stable Diffusion v2)"
	case 1280:
		return " (it is made for Stable Diffusion XL)"
	}
	return ""
}
