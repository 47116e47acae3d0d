// Package train fits both stages of a latent diffusion model to a folder of
// pictures: the autoencoder, then the denoiser in its latent space.
//
// A run lives in a folder: config.yaml, checkpoint.safetensors (everything
// needed to go on, bit for bit), model.safetensors (what other commands use),
// log.txt, TensorBoard events, and pictures under images/. The same call on the
// same folder goes on from the checkpoint.
package train

import (
	"fmt"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
)

// Loop configures what both stages' training has in common.
type Loop struct {
	Steps        int              `yaml:"steps"`
	BatchSize    int              `yaml:"batch_size"`
	LearningRate float64          `yaml:"learning_rate"`       // absolute: not scaled by batch or devices
	Schedule     string           `yaml:"schedule"`            // of the rate after warm-up: constant, linear or cosine (to zero at the last step)
	Scheduler    config.Target    `yaml:"scheduler,omitempty"` // one of the reference's, in place of schedule and warmup
	Warmup       int              `yaml:"warmup"`              // steps over which the rate rises linearly
	WeightDecay  float64          `yaml:"weight_decay"`
	Beta1        float64          `yaml:"beta1"`
	Beta2        float64          `yaml:"beta2"`
	Clip         float64          `yaml:"clip"`      // of the gradients' global norm; 0: none
	EMA          float64          `yaml:"ema_decay"` // 0: no moving average of the weights
	Seed         uint64           `yaml:"seed"`
	Precision    engine.Precision `yaml:"precision"`
	Threads      int              `yaml:"threads"` // 0: all processors

	LogEvery      int `yaml:"log_every"`
	ValidateEvery int `yaml:"validate_every"`
	SampleEvery   int `yaml:"sample_every"`
	SaveEvery     int `yaml:"save_every"`
}

// DefaultLoop holds the values used where a configuration is silent.
func DefaultLoop() Loop {
	return Loop{
		Steps: 10000, BatchSize: 32, LearningRate: 1e-4, Schedule: "constant", Warmup: 100,
		Beta1: 0.9, Beta2: 0.999, Seed: 23,
		LogEvery: 50, ValidateEvery: 500, SampleEvery: 500, SaveEvery: 500,
	}
}

func (l Loop) validate() error {
	switch {
	case l.Steps < 1:
		return fmt.Errorf("train.steps is %d: want at least 1", l.Steps)
	case l.BatchSize < 1:
		return fmt.Errorf("train.batch_size is %d: want at least 1", l.BatchSize)
	case !(l.LearningRate > 0):
		return fmt.Errorf("train.learning_rate is %g: want more than 0", l.LearningRate)
	case l.Schedule != "constant" && l.Schedule != "linear" && l.Schedule != "cosine":
		return fmt.Errorf("train.schedule is %q: want constant, linear or cosine", l.Schedule)
	case l.EMA < 0 || l.EMA >= 1:
		return fmt.Errorf("train.ema_decay is %g: want 0 <= decay < 1", l.EMA)
	case l.LogEvery < 1 || l.ValidateEvery < 1 || l.SampleEvery < 1 || l.SaveEvery < 1:
		return fmt.Errorf("train.log_every, validate_every, sample_every and save_every: want at least 1")
	}
	if l.Scheduler.Target != "" {
		if _, err := newScheduler(l.Scheduler); err != nil {
			return fmt.Errorf("train.scheduler: %w", err)
		}
	}
	return nil
}
