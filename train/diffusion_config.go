package train

import (
	"math"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/degradation"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/mask"
)

// DiffusionConfig configures the training of a denoiser and its conditioner.
type DiffusionConfig struct {
	Model       config.Target    `yaml:"model"`
	FirstStage  string           `yaml:"first_stage"` // model file of a trained first stage
	Conditioner string           `yaml:"conditioner"` // file with the weights of the conditioner, which are frozen unless cond_stage_trainable
	Init        string           `yaml:"init"`        // model file whose weights a new run begins with
	Vocabulary  string           `yaml:"vocabulary"`  // of a text transformer: data (built from the captions) or bert
	Data        Data             `yaml:"data"`
	Buckets     float64          `yaml:"buckets,omitempty"` // pictures keep their proportions, up to so much to 1; 0: all are squares
	Dropout     float64          `yaml:"dropout"`           // share of captions or labels replaced by the empty one, for guidance
	MinSNR      float64          `yaml:"min_snr_gamma"`     // 0: timesteps are drawn evenly; see diffusion.NewTimesteps
	NoiseOffset float64          `yaml:"noise_offset"`      // deviation of a noise that is one number for a whole channel
	HuberDelta  float64          `yaml:"huber_delta"`       // with loss_type huber: where squares turn into absolute values
	Trigger     string           `yaml:"trigger,omitempty"` // before each caption, and the whole of it where there is none
	Prior       Prior            `yaml:"prior"`
	Masks       []mask.Kind      `yaml:"masks"`       // of inpainting: kinds of holes, drawn equally often
	Degradation degradation.Kind `yaml:"degradation"` // of super-resolution: how pictures are made small: bicubic, bsr or bsr-light
	CacheMB     int              `yaml:"cache_mb"`    // MiB of memory for encoded pictures, and as much for texts of a frozen encoder; the others are kept in the run's folder
	Train       Loop             `yaml:"train"`
	Samples     Samples          `yaml:"samples"`
}

// Samples configures the pictures drawn while training.
type Samples struct {
	Prompts []string `yaml:"prompts"`
	Steps   int      `yaml:"steps"`
	Scale   float64  `yaml:"scale"`
}

// Vocabularies of a text transformer.
const (
	vocabularyData = "data"
	vocabularyBERT = "bert"
)

// DefaultDiffusion holds what a configuration may leave out.
func DefaultDiffusion() DiffusionConfig {
	c := DiffusionConfig{
		Vocabulary: vocabularyData, Dropout: .1, HuberDelta: 1, CacheMB: 2048, Masks: []mask.Kind{mask.Narrow, mask.Wide, mask.Box},
		Train: DefaultLoop(), Data: DefaultData(), Samples: Samples{Steps: 25, Scale: 3}, Prior: DefaultPrior(),
	}
	c.Train.EMA, c.Train.WeightDecay = .9999, .01
	return c
}

func (c DiffusionConfig) validate() error {
	switch {
	case c.FirstStage == "":
		return fault.Inputf("first_stage is empty: name the model file of a trained first stage")
	case c.Vocabulary != vocabularyData && c.Vocabulary != vocabularyBERT:
		return fault.Inputf("vocabulary is %q: want %s or %s", c.Vocabulary, vocabularyData, vocabularyBERT)
	case !(c.Dropout >= 0 && c.Dropout <= 1):
		return fault.Inputf("dropout is %g: want 0 to 1", c.Dropout)
	case !(c.MinSNR >= 0) || math.IsInf(c.MinSNR, 0):
		return fault.Inputf("min_snr_gamma is %g: want 0 (none) or more, usually 5", c.MinSNR)
	case !(c.NoiseOffset >= 0 && c.NoiseOffset <= 1):
		return fault.Inputf("noise_offset is %g: want 0 (none) to 1, usually 0.05 to 0.1", c.NoiseOffset)
	case c.CacheMB < 0:
		return fault.Inputf("cache_mb is %d: want 0 or more", c.CacheMB)
	case !(c.HuberDelta > 0) || math.IsInf(c.HuberDelta, 0):
		return fault.Inputf("huber_delta is %g: want more than 0", c.HuberDelta)
	case c.Samples.Steps < 1 || c.Samples.Steps > 1000:
		return fault.Inputf("samples.steps is %d: want 1 to 1000", c.Samples.Steps)
	case !(c.Samples.Scale >= 0) || math.IsInf(c.Samples.Scale, 0):
		return fault.Inputf("samples.scale is %g: want 0 or more", c.Samples.Scale)
	}
	if err := c.Train.validate(); err != nil {
		return err
	}
	return c.Data.validate()
}
