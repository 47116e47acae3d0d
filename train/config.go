// Package train fits both stages of a latent diffusion model to a folder of
// pictures: the autoencoder, then the denoiser in its latent space.
//
// What is trained is a list of objectives (see Objective): a first stage has
// one, or two with a discriminator; a denoiser has one.
//
// A run lives in a folder: config.yaml, checkpoint.safetensors (everything
// needed to go on, bit for bit), model.safetensors (what other commands use),
// log.txt, TensorBoard events, and pictures under images/. The same call on the
// same folder goes on from the checkpoint.
package train

import (
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/machine"
)

// Loop configures what both stages' training has in common. Its optimiser is
// that of the model itself; a discriminator has its own.
type Loop struct {
	Optimizer  `yaml:",inline"`
	Steps      int              `yaml:"steps"`
	BatchSize  int              `yaml:"batch_size"`
	Accumulate int              `yaml:"accumulate"`          // batches whose gradients are averaged for one update
	Parts      int              `yaml:"parts,omitempty"`     // batches (each of accumulate) that a step's processes share out; their gradients are summed in one order: see hosts.Fold. 0: one for each process
	Schedule   string           `yaml:"schedule"`            // of the rate after warm-up: constant, linear or cosine (to zero at the last step)
	Scheduler  config.Target    `yaml:"scheduler,omitempty"` // one of the reference's, in place of schedule and warmup
	Warmup     int              `yaml:"warmup"`              // steps over which the rate rises linearly
	EMA        float64          `yaml:"ema_decay"`           // 0: no moving average of the weights
	Seed       uint64           `yaml:"seed"`
	Precision  engine.Precision `yaml:"precision"`
	Threads    int              `yaml:"threads"` // 0: all processors
	// MaxMemory bounds what a program takes beside the weights: above it activations
	// are computed again for the gradient, which takes up to a third more time. 0: no bound.
	MaxMemory machine.MaxMemory `yaml:"max_memory,omitempty"`

	LogEvery      int `yaml:"log_every"`
	ValidateEvery int `yaml:"validate_every"`
	SampleEvery   int `yaml:"sample_every"`
	SaveEvery     int `yaml:"save_every"`
}

// DefaultRate is the learning rate where neither train.learning_rate nor the
// model's base_learning_rate says one.
const DefaultRate = 1e-4

// DefaultLoop holds the values used where a configuration is silent.
func DefaultLoop() Loop {
	return Loop{
		Optimizer: Optimizer{Beta1: 0.9, Beta2: 0.999},
		Steps:     10000, BatchSize: 32, Accumulate: 1, Schedule: "constant", Warmup: 100, Seed: 23,
		LogEvery: 50, ValidateEvery: 500, SampleEvery: 500, SaveEvery: 500,
	}
}

func (l Loop) validate() error {
	if err := l.Optimizer.validate("train"); err != nil {
		return err
	}
	for _, n := range []struct {
		key        string
		value, low int
	}{
		{"steps", l.Steps, 1}, {"batch_size", l.BatchSize, 1}, {"accumulate", l.Accumulate, 1}, {"parts", l.Parts, 0}, {"warmup", l.Warmup, 0}, {"threads", l.Threads, 0},
		{"log_every", l.LogEvery, 1}, {"validate_every", l.ValidateEvery, 1}, {"sample_every", l.SampleEvery, 1}, {"save_every", l.SaveEvery, 1},
	} {
		if n.value < n.low {
			return fault.Inputf("train.%s is %d: want at least %d", n.key, n.value, n.low)
		}
	}
	switch {
	case l.Threads > 4096:
		return fault.Inputf("train.threads is %d: want 0 (all processors) to 4096", l.Threads)
	case l.Schedule != "constant" && l.Schedule != "linear" && l.Schedule != "cosine":
		return fault.Inputf("train.schedule is %q: want constant, linear or cosine", l.Schedule)
	case !(l.EMA >= 0 && l.EMA < 1):
		return fault.Inputf("train.ema_decay is %g: want 0 <= decay < 1", l.EMA)
	}
	if l.Scheduler.Target != "" {
		if _, err := newScheduler(l.Scheduler); err != nil {
			return fault.Inputf("train.scheduler: %w", err)
		}
	}
	return nil
}

// withBase takes what a model's YAML of the reference says about training: its
// base rate, which the reference multiplies by the pictures of an update in all processes, where
// train.learning_rate is silent (0), and its scheduler.
func (l Loop) withBase(t config.Target, scheduler any) (Loop, error) {
	if l.LearningRate == 0 {
		l.LearningRate = DefaultRate
		if t.BaseLearningRate != 0 {
			l.LearningRate = Rate(t.BaseLearningRate * float64(l.BatchSize*l.Accumulate*l.parts()))
		}
	}
	if scheduler == nil || l.Scheduler.Target != "" {
		return l, nil
	}
	fields, ok := scheduler.(map[string]any)
	if !ok {
		return l, fault.Inputf("scheduler_config: want a target with its params")
	}
	err := config.Target{Target: "scheduler_config", Params: fields}.Decode(&l.Scheduler)
	return l, fault.As(fault.Input, err)
}
