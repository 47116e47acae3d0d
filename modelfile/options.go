// Package modelfile opens models on disk, of this program, of the reference and
// of diffusers, and writes them: the configuration with where it came from, and
// the weights under the names of the network. What it opens is data; nothing in
// it is executed.
package modelfile

import (
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
)

// Options say how a model's file is read. The zero value reads it as it is.
type Options struct {
	Config     string      // path of the model's YAML; empty: see Open
	IgnoreKeys []string    // beginnings of names that need not fit; what is missing gets initial values
	Weights    Weights     // which of the U-Net's
	Heads      model.Heads // of the legacy models
	Prediction Prediction  // what the U-Net says; the zero value: what the file or its configuration tells
	Log        func(string)
	// Wrap, if set, is given the reader of the file and returns the one to read
	// from: the place for what changes weights on their way.
	Wrap func(checkpoint.Reader) checkpoint.Reader
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

// Bare are the options for another file, of which nothing is known but its path.
func (o Options) Bare() Options { return Options{Log: o.Log, Wrap: o.Wrap} }

// Weights says which of a checkpoint's weights of the U-Net to use.
type Weights uint8

// The settings of weights.
const (
	WeightsAuto Weights = iota // the averages where the file has them, unless its YAML says use_ema: false
	WeightsEMA                 // the averages
	WeightsRaw                 // the plain ones
)

var weightsNames = []string{"auto", "ema", "raw"}

func (w Weights) String() string { return weightsNames[w] }

// UnmarshalText reads a setting as flags have it.
func (w *Weights) UnmarshalText(b []byte) error {
	i := slices.Index(weightsNames, string(b))
	if i < 0 {
		return fault.Inputf("weights %q: want auto, ema or raw", b)
	}
	*w = Weights(i)
	return nil
}

// MarshalText writes a setting.
func (w Weights) MarshalText() ([]byte, error) { return []byte(w.String()), nil }
