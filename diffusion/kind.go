package diffusion

import (
	"slices"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Kind is what a denoising network says of x_t = √ᾱ_t·x_0 + √(1-ᾱ_t)·ε. This
// package alone knows what each means: see Split and Target.
type Kind uint8

// The kinds of networks.
const (
	Eps Kind = iota // ε, the noise (DDPM, section 3.2; equation 2 of the paper)
	X0              // x_0, the clean latent
	V               // v = √ᾱ_t·ε - √(1-ᾱ_t)·x_0 (Salimans and Ho, arXiv 2202.00512, section 4)
)

// BetaSchedule is how β_t rises from the first step to the last.
type BetaSchedule uint8

// The schedules, by the reference's names.
const (
	Linear     BetaSchedule = iota // linear in the square root of β
	Cosine                         // ᾱ falls as a squared cosine (Nichol and Dhariwal, arXiv 2102.09672, equation 17)
	SqrtLinear                     // linear in β
	Sqrt                           // the square root of a line
)

// LossType is how far a prediction is from its target.
type LossType uint8

// The losses of the reference's loss_type.
const (
	L2    LossType = iota // mean of squares
	L1                    // mean of absolute values
	Huber                 // squares up to a distance, absolute values beyond it
)

// The names in YAML.
var (
	kindNames = []string{"eps", "x0", "v"}
	betaNames = []string{"linear", "cosine", "sqrt_linear", "sqrt"}
	lossNames = []string{"l2", "l1", "huber"}
)

// String is the kind's name in YAML.
func (k Kind) String() string { return kindNames[k] }

// String is the schedule's name in YAML.
func (b BetaSchedule) String() string { return betaNames[b] }

// String is the loss's name in YAML.
func (l LossType) String() string { return lossNames[l] }

// MarshalText writes the name in YAML.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText writes the name in YAML.
func (b BetaSchedule) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalText writes the name in YAML.
func (l LossType) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the value of parameterization.
func (k *Kind) UnmarshalText(b []byte) error { return parse(k, "parameterization", kindNames, b) }

// UnmarshalText reads the value of beta_schedule.
func (b *BetaSchedule) UnmarshalText(text []byte) error {
	return parse(b, "beta_schedule", betaNames, text)
}

// UnmarshalText reads the value of loss_type.
func (l *LossType) UnmarshalText(b []byte) error { return parse(l, "loss_type", lossNames, b) }

func parse[T ~uint8](dst *T, key string, names []string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fault.Inputf("%s %q: want %s", key, text, strings.Join(names, ", "))
	}
	*dst = T(i)
	return nil
}

// Split writes what the network's output says of x at timestep t (real-valued,
// see Sigma): the clean latent x_0 and the noise ε. All have one size; eps may
// be out itself.
func (s *Schedule) Split(x0, eps, out, x []float32, t float64) {
	alpha, std := s.Coefficients(t)
	a, b := float32(alpha), float32(std)
	switch s.Parameterization {
	case Eps:
		for i, e := range out {
			x0[i] = (x[i] - b*e) / a
			eps[i] = e
		}
	case X0:
		for i, z := range out {
			x0[i] = z
			eps[i] = (x[i] - a*z) / b
		}
	case V:
		for i, v := range out {
			x0[i] = a*x[i] - b*v
			eps[i] = a*v + b*x[i]
		}
	}
}

// Target writes what the network should say of √ᾱ_t·x0 + √(1-ᾱ_t)·noise.
func (s *Schedule) Target(dst, x0, noise []float32, t int) {
	switch s.Parameterization {
	case Eps:
		copy(dst, noise)
	case X0:
		copy(dst, x0)
	case V:
		a, b := s.roots(t)
		for i := range dst {
			dst[i] = a*noise[i] - b*x0[i]
		}
	}
}
