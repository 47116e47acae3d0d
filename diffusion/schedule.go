// Package diffusion holds the mathematics of the forward process: noise
// schedules, noising, and what the denoiser is trained to predict. Equation
// numbers are those of the paper (LDM) and of Ho et al. (DDPM, arXiv 2006.11239).
package diffusion

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/fault"
)

// Config describes the diffusion as the reference's YAML does.
type Config struct {
	Timesteps          int          `yaml:"timesteps,omitempty"`
	BetaSchedule       BetaSchedule `yaml:"beta_schedule,omitempty"`
	LinearStart        float64      `yaml:"linear_start,omitempty"`
	LinearEnd          float64      `yaml:"linear_end,omitempty"`
	CosineS            float64      `yaml:"cosine_s,omitempty"`
	GivenBetas         []float64    `yaml:"given_betas,omitempty"`
	VPosterior         float64      `yaml:"v_posterior,omitempty"`
	ZeroSNR            bool         `yaml:"rescale_betas_zero_snr,omitempty"` // the last timestep is pure noise; see ZeroTerminalSNR
	Parameterization   Kind         `yaml:"parameterization,omitempty"`       // what the network says
	LossType           LossType     `yaml:"loss_type,omitempty"`
	OriginalELBOWeight float64      `yaml:"original_elbo_weight,omitempty"`
	LSimpleWeight      float64      `yaml:"l_simple_weight,omitempty"`
	LearnLogvar        bool         `yaml:"learn_logvar,omitempty"`
	LogvarInit         float64      `yaml:"logvar_init,omitempty"`
}

// Default holds the reference's values for what a YAML leaves out.
func Default() Config {
	return Config{
		Timesteps: 1000, LinearStart: 1e-4, LinearEnd: 2e-2, CosineS: 8e-3, LSimpleWeight: 1,
	}
}

// Betas computes β_1 … β_T in float64. The reference's "linear" is linear in the
// square root of β; its "sqrt_linear" is linear in β.
func (c Config) Betas() ([]float64, error) {
	betas := slices.Clone(c.GivenBetas)
	if len(betas) == 0 {
		if c.Timesteps < 1 {
			return nil, fault.Inputf("timesteps is %d: want at least 1", c.Timesteps)
		}
		betas = make([]float64, c.Timesteps)
		for i := range betas {
			betas[i] = c.beta(i)
		}
	}
	for i, b := range betas {
		if !(b > 0 && b <= 1) {
			return nil, fault.Inputf("beta %d of the noise schedule is %g: want more than 0, at most 1", i+1, b)
		}
	}
	if c.ZeroSNR {
		betas = ZeroTerminalSNR(betas)
	}
	return betas, nil
}

func (c Config) beta(i int) float64 {
	switch c.BetaSchedule {
	case Cosine:
		return min(max(1-c.cosine(i+1)/c.cosine(i), 0), 0.999)
	case SqrtLinear:
		return c.line(c.LinearStart, c.LinearEnd, i)
	case Sqrt:
		return math.Sqrt(c.line(c.LinearStart, c.LinearEnd, i))
	}
	root := c.line(math.Sqrt(c.LinearStart), math.Sqrt(c.LinearEnd), i)
	return root * root
}

// line is value i of T values evenly spread between both ends.
func (c Config) line(from, to float64, i int) float64 {
	n := c.Timesteps
	if i == n-1 && n > 1 {
		return to
	}
	return from + float64(i)*((to-from)/float64(max(n-1, 1)))
}

// ZeroTerminalSNR shifts and scales √ᾱ so that the first stays and the last is 0:
// the network then sees at the last timestep what sampling begins with (Lin et
// al., arXiv 2305.08891, algorithm 1). It needs a network that says v or x_0.
func ZeroTerminalSNR(betas []float64) []float64 {
	roots := make([]float64, len(betas))
	bar := 1.0
	for t, beta := range betas {
		bar *= 1 - beta
		roots[t] = math.Sqrt(bar)
	}
	first, last := roots[0], roots[len(roots)-1]
	out := make([]float64, len(betas))
	prev := 1.0
	for t, root := range roots {
		q := (root - last) * (first / (first - last))
		out[t] = 1 - q*q/prev
		prev = q * q
	}
	return out
}

// cosine is ᾱ of Nichol and Dhariwal (arXiv 2102.09672, equation 17), not scaled.
func (c Config) cosine(i int) float64 {
	v := math.Cos((float64(i)/float64(c.Timesteps) + c.CosineS) / (1 + c.CosineS) * math.Pi / 2)
	return v * v
}

// Schedule holds what follows from the betas, for t = 0 … T-1.
type Schedule struct {
	Config
	Betas                                  []float64
	AlphasCumprod                          []float64 // ᾱ_t = Π (1-β_s)
	AlphasCumprodPrev                      []float64 // ᾱ_{t-1}, 1 for t = 0
	PosteriorVariance                      []float64 // of q(x_{t-1} | x_t, x_0), DDPM equation 7
	PosteriorLogVarianceClip               []float64
	PosteriorMeanCoef1, PosteriorMeanCoef2 []float64 // of x_0 and x_t in the posterior's mean
	LVLBWeights                            []float64 // of the variational bound

	sigmas, logs []float64 // noise levels and their logarithms; see Sigma
}

// NewSchedule computes a schedule.
func NewSchedule(c Config) (*Schedule, error) {
	if c.ZeroSNR && c.Parameterization == Eps {
		return nil, fault.Inputf("rescale_betas_zero_snr with parameterization eps: the noise says nothing of x_0 where all is noise; want x0 or v")
	}
	betas, err := c.Betas()
	if err != nil {
		return nil, err
	}
	n := len(betas)
	s := &Schedule{Config: c, Betas: betas}
	for _, p := range []*[]float64{&s.AlphasCumprod, &s.AlphasCumprodPrev, &s.PosteriorVariance, &s.PosteriorLogVarianceClip, &s.PosteriorMeanCoef1, &s.PosteriorMeanCoef2} {
		*p = make([]float64, n)
	}
	prev := 1.0
	for t, beta := range betas {
		bar := prev * (1 - beta)
		variance := (1-c.VPosterior)*beta*(1-prev)/(1-bar) + c.VPosterior*beta
		s.AlphasCumprod[t], s.AlphasCumprodPrev[t] = bar, prev
		s.PosteriorVariance[t] = variance
		s.PosteriorLogVarianceClip[t] = math.Log(max(variance, 1e-20))
		s.PosteriorMeanCoef1[t] = beta * math.Sqrt(prev) / (1 - bar)
		s.PosteriorMeanCoef2[t] = (1 - prev) * math.Sqrt(1-beta) / (1 - bar)
		prev = bar
	}
	s.LVLBWeights = s.lvlbWeights()
	s.setLevels()
	return s, nil
}

// lvlbWeights weigh the simple loss into the variational bound; the reference
// replaces the first by the second, and for x0 divides where it seems to have
// meant a fraction.
func (s *Schedule) lvlbWeights() []float64 {
	w := make([]float64, len(s.Betas))
	for t, beta := range s.Betas {
		bar := s.AlphasCumprod[t]
		if s.Parameterization == X0 {
			w[t] = 0.5 * math.Sqrt(bar) / (2*1 - bar)
		} else {
			w[t] = beta * beta / (2 * s.PosteriorVariance[t] * (1 - beta) * (1 - bar))
		}
	}
	if len(w) > 1 {
		w[0] = w[1]
	}
	return w
}

// QSample writes x_t = √ᾱ_t·x_0 + √(1-ᾱ_t)·noise (DDPM equation 4), with
// coefficients rounded to float32 as the reference's buffers are.
func (s *Schedule) QSample(dst, x0, noise []float32, t int) {
	a, b := s.roots(t)
	for i := range dst {
		dst[i] = a*x0[i] + b*noise[i]
	}
}
