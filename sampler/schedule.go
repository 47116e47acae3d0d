package sampler

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
)

// Schedule is a way to choose the noise levels of a path, by name. The zero
// value stands for the sampler's own; see Method.Path.
type Schedule struct {
	Name    string
	Aliases []string
	Doc     string // one line
	// Levels are the falling noise levels of so many steps, with the one that the
	// last leads to.
	Levels func(s *diffusion.Schedule, steps int) ([]float64, error)
}

// Path is the path of a schedule.
func (c Schedule) Path(s *diffusion.Schedule, steps int) (Path, error) {
	if c.Levels == nil {
		return Path{}, fault.Inputf("no schedule is named")
	}
	if steps < 1 || steps > maxSteps {
		return Path{}, fault.Inputf("%d steps: want 1 to %d", steps, maxSteps)
	}
	levels, err := c.Levels(s, steps)
	if err != nil {
		return Path{}, err
	}
	p := Path{Schedule: s, Sigmas: levels}
	if err := p.check(); err != nil {
		return Path{}, fault.Inputf("schedule %s of %d steps: %w", c.Name, steps, err)
	}
	return p, nil
}

// maxSteps bounds what a request can ask for.
const maxSteps = 10000

// Schedules lists the schedules, those that follow from the model's first.
func Schedules() []Schedule { return slices.Clone(schedules) }

var schedules = []Schedule{
	{"Even", []string{"timesteps", "trained"}, "whole timesteps T/n apart, from 1; DDIM's and PLMS's own",
		func(s *diffusion.Schedule, n int) ([]float64, error) { return sigmas(Even(s, n)) }},
	{"CompVis", []string{"reference"}, "as the reference's DDIM: a whole stride, which may give more steps than asked for",
		func(s *diffusion.Schedule, n int) ([]float64, error) { return sigmas(CompVis(s, n)) }},
	{"Quadratic", []string{"quad"}, "the reference's quad: timesteps that are squares, denser at the clean end",
		func(s *diffusion.Schedule, n int) ([]float64, error) { return sigmas(Quadratic(s, n)) }},
	{"Leading", nil, "diffusers' leading: whole timesteps T/n apart, from 1, to no noise", toClean(leading)},
	{"Trailing", nil, "diffusers' trailing: whole timesteps T/n apart, from the last down (Lin et al., arXiv 2305.08891)", toClean(trailing)},
	{"Normal", []string{"uniform", "model", "discrete"}, "real-valued timesteps from the last to the first; the own one of most samplers",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			last := float64(len(s.Betas) - 1)
			return spread(n, func(share float64) float64 { return s.Sigma(last * (1 - share)) })
		})},
	{"Simple", nil, "noise levels of the model's table, at even places from the last",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			total := len(s.Betas)
			stride := float64(total) / float64(n)
			return places(s, n, func(k int) int { return total - 1 - int(float64(k)*stride) })
		})},
	{"SGM Uniform", []string{"sgm"}, "Normal of one step more, without its first timestep",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			last := float64(len(s.Betas) - 1)
			return spread(n+1, func(share float64) float64 { return s.Sigma(last * (1 - share)) })[:n]
		})},
	{"DDIM", []string{"ddim uniform"}, "noise levels of the model's table, from place 1 at a whole stride: not always as many as asked for",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			stride := max(len(s.Betas)/n, 1)
			count := (len(s.Betas) - 2 + stride) / stride
			return places(s, count, func(k int) int { return 1 + (count-1-k)*stride })
		})},
	{"Turbo", nil, "as distilled models of one to four steps want: even places ending below the first",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			total := len(s.Betas)
			stride := float64(total) / float64(n)
			return places(s, n, func(k int) int {
				return min(max(int(math.RoundToEven(float64(n-k)*stride-1)), 0), total-1)
			})
		})},
	{"LCM", nil, "timesteps of latent consistency models: even places in the 50 that they were distilled at", lcmLevels},
	{"Karras", []string{"k"}, "dense at the clean end: even in the seventh root of σ (arXiv 2206.00364, equation 5)",
		between(func(n int, least, most float64) []float64 { return Karras(n, least, most, 7) })},
	{"Exponential", nil, "even in ln σ", between(Exponential)},
	{"Polyexponential", nil, "ln σ falls as a power of a line, here the first: the same as exponential",
		between(func(n int, least, most float64) []float64 { return Polyexponential(n, least, most, 1) })},
	{"VP", nil, "of a continuous variance preserving process; begins far above most models' noise",
		toClean(func(_ *diffusion.Schedule, n int) []float64 { return VP(n, 19.9, .1, .001) })},
	{"Beta", nil, "dense at both ends: quantiles of a beta distribution (arXiv 2407.12173)",
		between(func(n int, least, most float64) []float64 { return Beta(n, least, most, .6, .6) })},
	{"Beta ComfyUI", []string{"beta timesteps"}, "the same over the timesteps: not always as many as asked for",
		toClean(betaTimesteps)},
	{"KL Optimal", nil, "even in the arc tangent of σ (arXiv 2404.14507); ends at the model's least noise",
		func(s *diffusion.Schedule, n int) ([]float64, error) {
			least, most := s.SigmaRange()
			return KLOptimal(n+1, least, most), nil
		}},
	{"KL Optimal ComfyUI", nil, "the same to no noise", between(KLOptimal)},
	{"Align Your Steps", []string{"ays"}, "levels found for Stable Diffusion 1.5 (arXiv 2404.14507), between them even in ln σ",
		toClean(func(_ *diffusion.Schedule, n int) []float64 { return LogLinear(n, alignYourSteps) })},
	{"Align Your Steps ComfyUI", []string{"ays comfyui"}, "the same with more digits and the last level replaced by none",
		toClean(func(_ *diffusion.Schedule, n int) []float64 { return LogLinear(n+1, alignYourStepsComfy)[:n] })},
	{"Linear Quadratic", nil, "slowly at first, then faster and faster",
		toClean(func(s *diffusion.Schedule, n int) []float64 {
			_, most := s.SigmaRange()
			return LinearQuadratic(n, most)
		})},
}

var (
	alignYourSteps      = []float64{14.615, 6.475, 3.861, 2.697, 1.886, 1.396, .963, .652, .399, .152, .029}
	alignYourStepsComfy = []float64{14.6146412293, 6.4745760956, 3.8636745985, 2.694615152, 1.8841921177, 1.3943805092,
		.9642583904, .6523686016, .3977456272, .1515232662, .0291671582}
)

// toClean ends levels with no noise.
func toClean(levels func(s *diffusion.Schedule, n int) []float64) func(*diffusion.Schedule, int) ([]float64, error) {
	return func(s *diffusion.Schedule, n int) ([]float64, error) { return append(levels(s, n), 0), nil }
}

// between are levels between the model's, ended with no noise.
func between(levels func(n int, least, most float64) []float64) func(*diffusion.Schedule, int) ([]float64, error) {
	return toClean(func(s *diffusion.Schedule, n int) []float64 {
		least, most := s.SigmaRange()
		return levels(n, least, most)
	})
}

func sigmas(p Path, err error) ([]float64, error) { return p.Sigmas, err }

// places are the model's noise levels at n timesteps.
func places(s *diffusion.Schedule, n int, timestep func(k int) int) []float64 {
	out := make([]float64, n)
	for k := range out {
		out[k] = s.Sigma(float64(timestep(k)))
	}
	return out
}

func leading(s *diffusion.Schedule, n int) []float64 {
	stride := len(s.Betas) / n
	return places(s, n, func(k int) int { return min((n-1-k)*stride+1, len(s.Betas)-1) })
}

func trailing(s *diffusion.Schedule, n int) []float64 {
	total := float64(len(s.Betas))
	return places(s, n, func(k int) int { return int(math.RoundToEven(total-float64(k)*total/float64(n))) - 1 })
}

// betaTimesteps are quantiles of a beta distribution over the timesteps, each once.
func betaTimesteps(s *diffusion.Schedule, n int) []float64 {
	var out []float64
	for k := range n {
		t := math.RoundToEven(quantile(.6, .6, 1-float64(k)/float64(n)) * float64(len(s.Betas)-1))
		if sigma := s.Sigma(t); len(out) == 0 || sigma < out[len(out)-1] {
			out = append(out, sigma)
		}
	}
	return out
}

// lcmLevels takes n of the 50 timesteps k·T/50 - 1, at even places from the last
// (Luo et al., arXiv 2310.04378, section 4.3; diffusers' LCMScheduler).
func lcmLevels(s *diffusion.Schedule, n int) ([]float64, error) {
	const distilled = 50
	if n > distilled {
		return nil, fault.Inputf("%d steps: schedule LCM has 1 to %d", n, distilled)
	}
	stride := len(s.Betas) / distilled
	if stride == 0 {
		return nil, fault.Unsupportedf("schedule LCM wants a model of at least %d timesteps", distilled)
	}
	return append(places(s, n, func(k int) int {
		return (distilled-k*distilled/n)*stride - 1
	}), 0), nil
}
