package sampler_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
)

// TestGolden holds DDIM's grids and coefficients against the reference's: the
// outputs' names say what they are, as timesteps/uniform/S50 or
// sigmas/0.0015_0.0195/uniform/S50/eta0.5.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "schedules/ddim*") {
		t.Run(c.Base(), func(t *testing.T) {
			for name := range c.Outputs {
				if err := checkOutput(t, c, name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func checkOutput(t *testing.T, c *golden.Case, name string) error {
	parts := strings.Split(name, "/")
	if parts[0] == "timesteps" {
		path, err := pathOf(diffusion.Default(), parts[1], parts[2])
		if err != nil {
			return err
		}
		want := c.Output(t, name).I32
		if path.Steps() != len(want) {
			return fmt.Errorf("%d steps, want %d", path.Steps(), len(want))
		}
		for i, w := range want {
			if got := path.Timestep(path.Steps() - 1 - i); got != float64(w) {
				return fmt.Errorf("step %d is %g, want %d", i, got, w)
			}
		}
		return nil
	}
	cfg := diffusion.Default()
	if _, err := fmt.Sscanf(strings.Replace(parts[1], "_", " ", 1), "%g %g", &cfg.LinearStart, &cfg.LinearEnd); err != nil {
		return err
	}
	path, err := pathOf(cfg, parts[2], parts[3])
	if err != nil {
		return err
	}
	eta := 0.0
	if len(parts) == 5 {
		if eta, err = strconv.ParseFloat(strings.TrimPrefix(parts[4], "eta"), 64); err != nil {
			return err
		}
	}
	var want []float64
	if parts[0] == "sigmas" {
		want = c.Floats64(t, name)
	} else {
		for _, v := range c.Output(t, name).F32 {
			want = append(want, float64(v))
		}
	}
	last := path.Steps() - 1
	for i, w := range want {
		from, to := path.Sigmas[last-i], path.Sigmas[last-i+1]
		got := map[string]float64{"sigmas": sampler.DDIMSigma(from, to, eta), "alphas": sampler.AlphaBar(from), "alphas_prev": sampler.AlphaBar(to)}[parts[0]]
		if math.Abs(got-w) > 1e-6*math.Abs(w)+1e-12 {
			return fmt.Errorf("step %d: %.9g, want %.9g", i, got, w)
		}
	}
	return nil
}

func pathOf(cfg diffusion.Config, kind, s string) (sampler.Path, error) {
	steps, err := strconv.Atoi(strings.TrimPrefix(s, "S"))
	if err != nil {
		return sampler.Path{}, err
	}
	schedule, err := diffusion.NewSchedule(cfg)
	if err != nil {
		return sampler.Path{}, err
	}
	if kind == "quad" {
		return sampler.Quadratic(schedule, steps)
	}
	return sampler.CompVis(schedule, steps)
}
