package diffusion_test

import (
	"encoding"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
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
