package modelfile

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
)

// Prediction says what a model's U-Net predicts, where its file does not tell or is
// wrong.
type Prediction string

// PredictionAuto takes what the file or its configuration tells.
const PredictionAuto Prediction = ""

// String is the setting as flags have it.
func (p Prediction) String() string {
	if p == PredictionAuto {
		return "auto"
	}
	return string(p)
}

// UnmarshalText reads a setting as flags have it.
func (p *Prediction) UnmarshalText(b []byte) error {
	if string(b) == "auto" {
		*p = PredictionAuto
		return nil
	}
	var k diffusion.Kind
	if err := k.UnmarshalText(b); err != nil {
		return fault.Inputf("prediction %q: want auto, eps, x0 or v", b)
	}
	*p = Prediction(k.String())
	return nil
}

// MarshalText writes a setting.
func (p Prediction) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

const parameterization = "parameterization"

// predict takes the options' word for what the U-Net predicts.
func (f *File) predict() {
	if f.opt.Prediction == PredictionAuto || !model.IsDiffusion(f.Target) {
		return
	}
	f.setPrediction(string(f.opt.Prediction))
}

func (f *File) setPrediction(kind string) {
	f.Target.Params = maps.Clone(f.Target.Params)
	f.Target.Params[parameterization] = kind
	f.Assumed = slices.DeleteFunc(f.Assumed, func(line string) bool { return strings.Contains(line, "("+parameterization) })
}

// spreadName is a bias whose numbers differ more in Stable Diffusion v2's models that
// predict v than in those that predict noise; spread is the deviation between them.
// Other programs go by the same sign.
const (
	spreadName = model.PrefixUNet + ".output_blocks.11.1.transformer_blocks.0.norm1.bias"
	spread     = 0.09
)

// guessV tells models of Stable Diffusion v2 that predict v from those that predict
// noise, where nothing but their weights does.
func (f *File) guessV() error {
	if f.Known != "Stable Diffusion v2" {
		return nil
	}
	t, err := f.Read(spreadName)
	if err != nil {
		return err
	}
	if d := deviation(t.F32); d > spread {
		f.setPrediction("v")
		f.Target.Params["image_size"] = 96
		f.Assumed = slices.DeleteFunc(f.Assumed, func(line string) bool { return strings.Contains(line, "(image_size)") })
		f.Assumed = append(f.Assumed, "the U-Net predicts v and was trained on pictures of 768 pixels, as weights suggest that spread so far ("+
			parameterization+": v, image_size: 96; --prediction eps says otherwise)")
	}
	return nil
}

func deviation(x []float32) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(max(len(x), 1))
	return math.Sqrt(max(squares/n-sum/n*sum/n, 0))
}
