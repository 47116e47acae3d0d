package diffusion_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/internal/golden"
)

// TestGolden holds schedules against the reference's, by kind of case.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "schedules/betas_*") {
		t.Run(c.Base(), func(t *testing.T) { checkBetas(t, c) })
	}
	for _, c := range golden.Cases(t, "schedules/ddpm_buffers*") {
		t.Run(c.Base(), func(t *testing.T) { checkBuffers(t, c) })
	}
}

func checkBetas(t *testing.T, c *golden.Case) {
	var m struct {
		Pairs map[string][2]float64 `json:"pairs"`
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	for name := range c.Outputs {
		parts := strings.SplitN(name, "/", 3) // betas/schedule/pair
		cfg := diffusion.Default()
		if err := cfg.BetaSchedule.UnmarshalText([]byte(parts[1])); err != nil {
			t.Fatal(err)
		}
		if len(parts) == 3 {
			cfg.LinearStart, cfg.LinearEnd = m.Pairs[parts[2]][0], m.Pairs[parts[2]][1]
		}
		want := c.Floats64(t, name)
		cfg.Timesteps = len(want)
		got, err := cfg.Betas()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, w := range want {
			if math.Abs(got[i]-w) > 1e-12*slices.Max(want) {
				t.Errorf("%s[%d] = %.17g, want %.17g", name, i, got[i], w)
				break
			}
		}
	}
}

func checkBuffers(t *testing.T, c *golden.Case) {
	var m struct {
		Variants map[string]struct {
			Start     float64 `json:"ls"`
			End       float64 `json:"le"`
			Schedule  string  `json:"beta_schedule"`
			Param     string  `json:"param"`
			V         float64 `json:"v"`
			Timesteps int     `json:"timesteps"`
		} `json:"variants"`
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	for variant, v := range m.Variants {
		cfg := diffusion.Default()
		cfg.VPosterior = v.V
		for _, s := range []struct {
			field encoding.TextUnmarshaler
			value string
		}{{&cfg.BetaSchedule, v.Schedule}, {&cfg.Parameterization, v.Param}} {
			if s.value != "" {
				if err := s.field.UnmarshalText([]byte(s.value)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if v.Start > 0 {
			cfg.LinearStart, cfg.LinearEnd = v.Start, v.End
		}
		if v.Timesteps > 0 {
			cfg.Timesteps = v.Timesteps
		}
		s, err := diffusion.NewSchedule(cfg)
		if err != nil {
			t.Fatal(err)
		}
		buffers := map[string][]float64{
			"betas": s.Betas, "alphas_cumprod": s.AlphasCumprod, "alphas_cumprod_prev": s.AlphasCumprodPrev,
			"posterior_variance": s.PosteriorVariance, "posterior_log_variance_clipped": s.PosteriorLogVarianceClip,
			"posterior_mean_coef1": s.PosteriorMeanCoef1, "posterior_mean_coef2": s.PosteriorMeanCoef2, "lvlb_weights": s.LVLBWeights,
		}
		for name, got := range buffers {
			if !c.Has(variant + "/" + name) {
				continue
			}
			tol := 1e-6
			if name == "lvlb_weights" {
				tol = 1e-3
			}
			for i, w := range c.Output(t, variant+"/"+name).F32 {
				if math.Abs(got[i]-float64(w)) > tol*math.Abs(float64(w))+1e-30 {
					t.Errorf("%s/%s[%d] = %g, want %g", variant, name, i, got[i], w)
					break
				}
			}
		}
	}
}

func schedule(t *testing.T, c *golden.Case, set func(*diffusion.Config)) *diffusion.Schedule {
	t.Helper()
	var m struct {
		Schedule struct {
			Start float64 `json:"linear_start"`
			End   float64 `json:"linear_end"`
			Steps int     `json:"steps"`
		} `json:"schedule"`
	}
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	cfg := diffusion.Default()
	cfg.LinearStart, cfg.LinearEnd = .00085, .012
	if m.Schedule.Steps > 0 {
		cfg.LinearStart, cfg.LinearEnd, cfg.Timesteps = m.Schedule.Start, m.Schedule.End, m.Schedule.Steps
	} else if strings.HasPrefix(c.Base(), "ldm") {
		cfg.LinearStart, cfg.LinearEnd = .0015, .0195
	}
	if set != nil {
		set(&cfg)
	}
	s, err := diffusion.NewSchedule(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func near(t *testing.T, name string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= tolerance*math.Abs(w)+1e-15) {
			t.Errorf("%s[%d] = %.17g, want %.17g", name, i, got[i], w)
			return
		}
	}
}

func TestZeroTerminalSNR(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/*-zero-snr") {
		s := schedule(t, c, func(c *diffusion.Config) { c.ZeroSNR, c.Parameterization = true, diffusion.V })
		near(t, "betas", s.Betas, c.Floats64(t, "betas"), 1e-10)
		near(t, "products", s.AlphasCumprod, c.Floats64(t, "alphas_cumprod"), 1e-10)
		if got := s.Sigma(999); math.Abs(got-4096) > 1e-3 {
			t.Errorf("the last noise level is %g, want 4096", got)
		}
	}
	c := diffusion.Default()
	c.ZeroSNR = true
	if _, err := diffusion.NewSchedule(c); !errors.Is(err, fault.Input) {
		t.Errorf("eps with zero terminal SNR: error %v", err)
	}
}

// TestKinds turns what networks say into clean latents and noise, and back.
func TestKinds(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/*-prediction") {
		clean, noise := c.Input(t, "x0"), c.Input(t, "eps")
		for _, kind := range []diffusion.Kind{diffusion.Eps, diffusion.X0, diffusion.V} {
			s := schedule(t, c, func(c *diffusion.Config) { c.Parameterization = kind })
			var xs, targets, x0s, eps []float32
			for n, at := range c.Input(t, "t").I32 {
				size := len(clean.Row(n).F32)
				x, target := make([]float32, size), make([]float32, size)
				s.QSample(x, clean.Row(n).F32, noise.Row(n).F32, int(at))
				s.Target(target, clean.Row(n).F32, noise.Row(n).F32, int(at))
				x0, e := make([]float32, size), make([]float32, size)
				s.Split(x0, e, target, x, float64(at))
				xs, targets, x0s, eps = append(xs, x...), append(targets, target...), append(x0s, x0...), append(eps, e...)
			}
			check := func(name string, got []float32, want []float64) {
				t.Helper()
				for i, w := range want {
					if math.Abs(float64(got[i])-w) > 1e-4 { // dividing by √ᾱ = 0.012 makes 80 times of rounding
						t.Errorf("%v: %s[%d] = %g, want %g", kind, name, i, got[i], w)
						return
					}
				}
			}
			wide := func(x []float32) (y []float64) {
				for _, v := range x {
					y = append(y, float64(v))
				}
				return y
			}
			check("x", xs, c.Floats64(t, "x_t"))
			check("x0", x0s, wide(clean.F32))
			check("eps", eps, wide(noise.F32))
			if kind == diffusion.V {
				check("v", targets, c.Floats64(t, "v"))
			}
		}
	}
}

func TestLossWeights(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/*-loss-weights") {
		for name := range c.Outputs {
			parts := append(strings.Split(name, "/"), "", "")
			s := schedule(t, c, func(c *diffusion.Config) {
				if parts[0] == "min_snr" || parts[0] == "debiased" {
					if err := c.Parameterization.UnmarshalText([]byte(parts[1])); err != nil {
						t.Fatal(err)
					}
				}
			})
			number := func(text string) float64 {
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			var got []float64
			for _, at := range c.Input(t, "t").I32 {
				var w float64
				switch parts[0] {
				case "snr":
					w = s.SNR(int(at))
				case "min_snr":
					w = s.MinSNR(int(at), number(parts[2]))
				case "debiased":
					w = s.Debiased(int(at))
				case "p2":
					w = s.P2(int(at), number(parts[1]), number(parts[2]))
				case "edm":
					w = s.EDM(int(at))
				case "soft_min_snr":
					w = s.SoftMinSNR(int(at))
				default:
					t.Fatalf("%s: no such weight", name)
				}
				got = append(got, w)
			}
			near(t, name, got, c.Floats64(t, name), 1e-10)
		}
	}
}

func TestHuberWidths(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/losses") {
		s := schedule(t, c, nil)
		var exponential, snr []float64
		for _, at := range c.Input(t, "t").I32 {
			exponential, snr = append(exponential, s.ExponentialHuber(int(at), .1)), append(snr, s.SNRHuber(int(at), .1))
		}
		near(t, "exponential", exponential, c.Floats64(t, "huber_c/exponential/0.1"), 1e-10)
		near(t, "snr", snr, c.Floats64(t, "huber_c/snr/0.1"), 1e-10)
	}
}

func TestGuidanceEmbedding(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/lcm-embedding") {
		want := c.Floats64(t, "embedding")
		for i, w := range []float64{0, 1, 6.5, 7, 14} {
			got := make([]float32, 256)
			diffusion.GuidanceEmbedding(got, w+1)
			for j, v := range want[i*256 : (i+1)*256] {
				if math.Abs(float64(got[j])-v) > 1e-6 {
					t.Errorf("w = %g: %d is %g, want %g", w, j, got[j], v)
				}
			}
		}
	}
}

// TestLevels holds real-valued timesteps and noise levels against each other.
func TestLevels(t *testing.T) {
	for _, c := range golden.Cases(t, "kschedules/*-lookup") {
		s := schedule(t, c, nil)
		var times, whole, sigmas, back []float64
		for _, sigma := range c.Floats64(t, "input/sigmas") {
			at := s.Timestep(sigma)
			times, whole = append(times, s.Known(at)), append(whole, float64(s.Nearest(at)))
			if again := s.Sigma(at); math.Abs(again-sigma) > 1e-12*sigma {
				t.Errorf("noise level %g: timestep %g, back to %g", sigma, at, again)
			}
		}
		for _, at := range c.Floats64(t, "input/t") {
			sigmas = append(sigmas, s.Sigma(at))
			back = append(back, s.Timestep(s.Sigma(at)))
		}
		near(t, "timesteps", times, c.Floats64(t, "t_of_sigmas"), 1e-11)
		near(t, "whole timesteps", whole, wide(c.Output(t, "t_of_sigmas_quantized").I32), 0)
		near(t, "noise levels", sigmas, c.Floats64(t, "sigmas_of_t"), 1e-12)
		near(t, "timesteps and back", back, c.Floats64(t, "input/t"), 1e-11)
	}
	for _, c := range golden.Cases(t, "kschedules/*-table") {
		s := schedule(t, c, nil)
		for i, want := range c.Floats64(t, "sigmas") {
			near(t, "noise level", []float64{s.Sigma(float64(i))}, []float64{want}, 1e-12)
		}
	}
	s, _ := diffusion.NewSchedule(diffusion.Default())
	if s.Sigma(math.Inf(-1)) != 0 || !math.IsInf(s.Timestep(0), -1) {
		t.Errorf("no noise is at %g", s.Timestep(0))
	}
}

func wide(x []int32) (y []float64) {
	for _, v := range x {
		y = append(y, float64(v))
	}
	return y
}
