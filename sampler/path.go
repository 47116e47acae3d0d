package sampler

import (
	"math"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
)

// Path is the way of a sampler from noise to a clean latent.
type Path struct {
	Schedule *diffusion.Schedule // which turns noise levels into timesteps
	// Sigmas are the noise levels σ = √((1-ᾱ)/ᾱ), falling, one more than there
	// are steps. The last is 0 where the path ends without noise.
	Sigmas []float64
}

// Steps is the number of steps.
func (p Path) Steps() int { return len(p.Sigmas) - 1 }

// Timestep is the real-valued timestep at which step i begins, and for i = Steps()
// the last one ends: -∞ where no noise is left.
func (p Path) Timestep(i int) float64 { return p.Schedule.Timestep(p.Sigmas[i]) }

// Between are the timesteps between which a share of the steps lies, 0 to 1 being
// all: for a guidance interval.
func (p Path) Between(start, end float64) (from, to float64) {
	n := float64(p.Steps())
	at := func(share float64) int { return int(math.Round(min(max(share, 0), 1) * n)) }
	return p.Timestep(at(start)), p.Timestep(at(end))
}

// check wants falling noise levels.
func (p Path) check() error {
	if p.Schedule == nil || len(p.Sigmas) < 2 {
		return fault.Inputf("a path of %d noise levels: want a schedule and at least 2", len(p.Sigmas))
	}
	for i, s := range p.Sigmas {
		if !(s >= 0) || math.IsInf(s, 0) || i > 0 && s >= p.Sigmas[i-1] {
			return fault.Inputf("noise level %d of the path is %g: want falling numbers of at least 0", i, s)
		}
	}
	return nil
}

// Along is the path through falling timesteps. It ends at timestep 0 as the
// reference does, where σ is small but not 0, unless clean is true.
func Along(s *diffusion.Schedule, timesteps []int, clean bool) Path {
	p := Path{Schedule: s}
	for _, t := range timesteps {
		p.Sigmas = append(p.Sigmas, s.Sigma(float64(t)))
	}
	end := s.Sigma(0)
	if clean {
		end = 0
	}
	p.Sigmas = append(p.Sigmas, end)
	return p
}

// Even is a path of exactly so many steps, evenly spread over the schedule and
// the last one ending at the cleanest. Its timesteps are i·T/steps + 1, as the
// reference has them where steps divides T.
func Even(s *diffusion.Schedule, steps int) (Path, error) {
	total := len(s.Betas)
	if err := checkSteps(steps, total-1); err != nil { // it begins at timestep 1
		return Path{}, err
	}
	return rising(s, steps, func(i int) int { return min(i*total/steps+1, total-1) }), nil
}

// CompVis is the path of the reference's DDIM: its stride is T/steps rounded down,
// which may give more steps than asked for, and none for a number of steps whose
// timesteps run over the end.
func CompVis(s *diffusion.Schedule, steps int) (Path, error) {
	total := len(s.Betas)
	if err := checkSteps(steps, total); err != nil {
		return Path{}, err
	}
	stride := total / steps
	n := (total + stride - 1) / stride
	if last := (n-1)*stride + 1; last >= total {
		return Path{}, fault.Inputf("%d steps: the reference's timesteps reach %d of %d; choose another number or the even path", steps, last, total)
	}
	return rising(s, n, func(i int) int { return i*stride + 1 }), nil
}

// Quadratic is the reference's path whose timesteps are squares, denser at the
// clean end.
func Quadratic(s *diffusion.Schedule, steps int) (Path, error) {
	total := len(s.Betas)
	if err := checkSteps(steps, total); err != nil {
		return Path{}, err
	}
	top := math.Sqrt(float64(total) * .8)
	return rising(s, steps, func(i int) int {
		root := top / float64(max(steps-1, 1)) * float64(i)
		return int(root*root) + 1
	}), nil
}

// rising is the path whose timesteps are listed from the clean end.
func rising(s *diffusion.Schedule, steps int, timestep func(i int) int) Path {
	times := make([]int, steps)
	for i := range times {
		times[steps-1-i] = timestep(i)
	}
	return Along(s, times, false)
}

func checkSteps(steps, total int) error {
	if steps < 1 || steps > total {
		return fault.Inputf("%d steps: want 1 to %d", steps, total)
	}
	return nil
}
