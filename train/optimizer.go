package train

import (
	"math"
	"strconv"

	"github.com/ldm-go/ldm/fault"
)

// Optimizer configures Adam with decoupled weight decay (AdamW; without decay
// it is Adam), for the parameters of one objective.
type Optimizer struct {
	LearningRate Rate    `yaml:"learning_rate,omitempty"` // absolute: not scaled by batch or devices; 0, which YAML cannot say: see DefaultRate
	WeightDecay  float64 `yaml:"weight_decay"`
	Beta1        float64 `yaml:"beta1"`
	Beta2        float64 `yaml:"beta2"`
	Clip         float64 `yaml:"clip"` // of the gradients' global norm; 0: none
}

// Rate is a learning rate.
type Rate float64

// UnmarshalText reads a rate; what would move nothing is refused.
func (r *Rate) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return fault.Inputf("%q: want a number above 0, such as 1e-4, or no such key for the default", b)
	}
	*r = Rate(v)
	return nil
}

// validate checks the ranges; section is the part of the configuration it is in.
func (o Optimizer) validate(section string) error {
	switch {
	case !(o.LearningRate > 0) || math.IsInf(float64(o.LearningRate), 0):
		return fault.Inputf("%s.learning_rate is %g: want more than 0", section, o.LearningRate)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fault.Inputf("%s.weight_decay is %g: want 0 or more", section, o.WeightDecay)
	case !(o.Beta1 >= 0 && o.Beta1 < 1):
		return fault.Inputf("%s.beta1 is %g: want 0 <= beta1 < 1", section, o.Beta1)
	case !(o.Beta2 >= 0 && o.Beta2 < 1):
		return fault.Inputf("%s.beta2 is %g: want 0 <= beta2 < 1", section, o.Beta2)
	case !(o.Clip >= 0) || math.IsInf(o.Clip, 0):
		return fault.Inputf("%s.clip is %g: want 0 (no clipping) or more", section, o.Clip)
	}
	return nil
}

// rate is an optimiser's learning rate at step n, counted from 1.
func (l Loop) rate(o Optimizer, n int) float64 {
	top := float64(o.LearningRate)
	if l.Scheduler.Target != "" {
		multiplier, err := newScheduler(l.Scheduler)
		if err != nil { // validate has seen to it
			return 0
		}
		return top * multiplier(n-1)
	}
	if n <= l.Warmup {
		return top * float64(n) / float64(l.Warmup)
	}
	left := float64(l.Steps-n) / float64(max(l.Steps-l.Warmup, 1))
	switch l.Schedule {
	case "linear":
		return top * left
	case "cosine":
		return top * (1 - math.Cos(math.Pi*left)) / 2
	}
	return top
}

// decay is the moving average's decay at update n, counted from 1: the
// reference's LitEma.
func (l Loop) decay(n int) float64 {
	return min(l.EMA, (1+float64(n))/(10+float64(n)))
}
