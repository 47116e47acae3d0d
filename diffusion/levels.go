package diffusion

import (
	"math"
	"sort"
)

// noSignal stands for ᾱ = 0, where the noise level would be infinite: σ is 4096
// there, and what is left of x_0 is below float32's precision.
const noSignal = 0x1p-24

// setLevels tables the noise levels. They follow from ᾱ in float32, as
// checkpoints hold it, and rise strictly.
func (s *Schedule) setLevels() {
	n := len(s.AlphasCumprod)
	s.sigmas, s.logs = make([]float64, n), make([]float64, n)
	for t, bar := range s.AlphasCumprod {
		if rounded := float64(float32(bar)); rounded < 1 {
			bar = rounded
		}
		bar = max(bar, noSignal)
		s.sigmas[t] = math.Sqrt((1 - bar) / bar)
		if t > 0 {
			s.sigmas[t] = max(s.sigmas[t], math.Nextafter(s.sigmas[t-1], math.Inf(1)))
		}
		s.logs[t] = math.Log(s.sigmas[t])
	}
}

// Sigma is the noise level σ = √((1-ᾱ)/ᾱ) at a real-valued timestep: between
// the schedule's timesteps ln σ is linear, as k-diffusion has it, and it goes on
// straight beyond both ends. Sigma(-∞) is 0, no noise at all.
func (s *Schedule) Sigma(t float64) float64 {
	last := len(s.logs) - 1
	if i := int(t); float64(i) == t && i >= 0 && i <= last {
		return s.sigmas[i]
	}
	i := int(min(max(math.Floor(t), 0), float64(max(last-1, 0))))
	return math.Exp(s.logs[i] + (t-float64(i))*s.slope(i))
}

// Timestep is the real-valued timestep of a noise level, the inverse of Sigma.
func (s *Schedule) Timestep(sigma float64) float64 {
	last := len(s.logs) - 1
	i := sort.SearchFloat64s(s.sigmas, sigma)
	if i <= last && s.sigmas[i] == sigma {
		return float64(i)
	}
	i = min(max(i-1, 0), max(last-1, 0))
	return float64(i) + (math.Log(sigma)-s.logs[i])/s.slope(i)
}

// slope is how fast ln σ rises after timestep i.
func (s *Schedule) slope(i int) float64 {
	if i+1 >= len(s.logs) {
		return 1 // a schedule of one step
	}
	return s.logs[i+1] - s.logs[i]
}

// Known is the timestep nearest to t that the network was trained at, give or
// take a fraction: t from the first timestep to the last.
func (s *Schedule) Known(t float64) float64 {
	return min(max(t, 0), float64(len(s.logs)-1))
}

// Nearest is the timestep of the schedule whose ln σ is nearest to that at t, for
// networks that are asked at whole timesteps alone.
func (s *Schedule) Nearest(t float64) int {
	t = s.Known(t)
	i := int(t)
	if t-float64(i) > 0.5 {
		i++
	}
	return i
}

// Coefficients are √ᾱ and √(1-ᾱ) at a real-valued timestep.
func (s *Schedule) Coefficients(t float64) (alpha, std float64) { return Coefficients(s.Sigma(t)) }

// Coefficients are √ᾱ and √(1-ᾱ) at a noise level: 1/√(1+σ²) and σ/√(1+σ²).
func Coefficients(sigma float64) (alpha, std float64) {
	root := math.Sqrt(1 + sigma*sigma)
	return 1 / root, sigma / root
}

// SigmaRange are the noise levels of the first and the last timestep.
func (s *Schedule) SigmaRange() (least, most float64) { return s.sigmas[0], s.sigmas[len(s.sigmas)-1] }

// roots are √ᾱ_t and √(1-ᾱ_t), rounded to float32 as the reference's buffers are.
func (s *Schedule) roots(t int) (a, b float32) {
	return float32(math.Sqrt(s.AlphasCumprod[t])), float32(math.Sqrt(1 - s.AlphasCumprod[t]))
}
