package train

import (
	"fmt"
	"math"

	"github.com/ldm-go/ldm/config"
)

// rateParams are the arguments of the reference's schedulers of the learning
// rate; those of LambdaWarmUpCosineScheduler are single numbers.
type rateParams struct {
	WarmUpSteps  any       `yaml:"warm_up_steps"`
	CycleLengths []float64 `yaml:"cycle_lengths"`
	FStart       []float64 `yaml:"f_start"`
	FMax         []float64 `yaml:"f_max"`
	FMin         []float64 `yaml:"f_min"`

	MaxDecaySteps     float64 `yaml:"max_decay_steps"`
	LRStart           float64 `yaml:"lr_start"`
	LRMax             float64 `yaml:"lr_max"`
	LRMin             float64 `yaml:"lr_min"`
	VerbosityInterval int     `yaml:"verbosity_interval"`
}

// cycle is a warm-up from start to top over warm steps, then a decay to bottom.
type cycle struct{ length, warm, start, top, bottom float64 }

// newScheduler returns the multiplier of the learning rate at step n, from 0, of
// one of the reference's schedulers (ldm.lr_scheduler.*).
func newScheduler(t config.Target) (func(n int) float64, error) {
	var p rateParams
	if err := t.Decode(&p); err != nil {
		return nil, err
	}
	decay := cosineDecay
	var cycles []cycle
	switch t.Target {
	case "ldm.lr_scheduler.LambdaWarmUpCosineScheduler":
		warm, ok := number(p.WarmUpSteps)
		if !ok {
			return nil, fmt.Errorf("%s: warm_up_steps %v: want a number", t.Target, p.WarmUpSteps)
		}
		cycles = []cycle{{p.MaxDecaySteps, warm, p.LRStart, p.LRMax, p.LRMin}}
	case "ldm.lr_scheduler.LambdaLinearScheduler":
		decay = linearDecay
		fallthrough
	case "ldm.lr_scheduler.LambdaWarmUpCosineScheduler2":
		warm, ok := p.WarmUpSteps.([]any)
		n := len(p.CycleLengths)
		if !ok || n == 0 || len(warm) != n || len(p.FStart) != n || len(p.FMax) != n || len(p.FMin) != n {
			return nil, fmt.Errorf("%s: warm_up_steps, cycle_lengths, f_start, f_max and f_min: want lists of one length", t.Target)
		}
		for i := range n {
			w, _ := number(warm[i])
			cycles = append(cycles, cycle{p.CycleLengths[i], w, p.FStart[i], p.FMax[i], p.FMin[i]})
		}
	default:
		return nil, fmt.Errorf("scheduler %q: want ldm.lr_scheduler.LambdaWarmUpCosineScheduler, LambdaWarmUpCosineScheduler2 or LambdaLinearScheduler", t.Target)
	}
	return func(step int) float64 {
		n := float64(step)
		c := cycles[0]
		for _, next := range cycles[1:] { // the step on a boundary belongs to the earlier cycle
			if n <= c.length {
				break
			}
			n -= c.length
			c = next
		}
		if n < c.warm {
			return (c.top-c.start)/c.warm*n + c.start
		}
		return decay(c, n)
	}, nil
}

func cosineDecay(c cycle, n float64) float64 {
	t := min((n-c.warm)/(c.length-c.warm), 1)
	return c.bottom + 0.5*(c.top-c.bottom)*(1+math.Cos(t*math.Pi))
}

// linearDecay runs over the whole cycle, the warm-up included, as in the reference.
func linearDecay(c cycle, n float64) float64 {
	return c.bottom + (c.top-c.bottom)*(c.length-n)/c.length
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}
