package diffusion

import (
	"math"
	"sort"

	"github.com/ldm-go/ldm/fault"
)

// Timesteps draws the timesteps of training.
type Timesteps struct {
	cumulative []float64
}

// NewTimesteps makes the draw of a schedule. With gamma 0 all timesteps are
// equally likely, as in equation 2 of the paper. Otherwise t is drawn in
// proportion to the min-SNR-γ weight of what the network says (see MinSNR; for ε
// min(SNR_t, γ)/SNR_t): in expectation that weighting, which spends less on noise
// that is nearly invisible.
func NewTimesteps(s *Schedule, gamma float64) (Timesteps, error) {
	if gamma < 0 || math.IsNaN(gamma) || math.IsInf(gamma, 0) {
		return Timesteps{}, fault.Inputf("min-SNR gamma is %g: want 0 (none) or more, usually 5", gamma)
	}
	d := Timesteps{make([]float64, len(s.Betas))}
	sum := 0.0
	for t, bar := range s.AlphasCumprod {
		weight := 1.0
		switch {
		case gamma > 0 && s.Parameterization == Eps:
			weight = min(gamma*(1-bar)/bar, 1)
		case gamma > 0:
			weight = s.MinSNR(t, gamma)
		}
		sum += weight
		d.cumulative[t] = sum
	}
	return d, nil
}

// At turns a uniform draw u from [0, 1) into a timestep.
func (d Timesteps) At(u float64) int {
	last := len(d.cumulative) - 1
	u *= d.cumulative[last]
	return min(sort.Search(last, func(t int) bool { return u < d.cumulative[t] }), last)
}
