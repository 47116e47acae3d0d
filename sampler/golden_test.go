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
		grid, err := gridOf(parts[1], parts[2])
		if err != nil {
			return err
		}
		want := c.Output(t, name).I32
		if len(grid) != len(want) {
			return fmt.Errorf("%d steps, want %d", len(grid), len(want))
		}
		for i, w := range want {
			if grid[i] != int(w) {
				return fmt.Errorf("step %d is %d, want %d", i, grid[i], w)
			}
		}
		return nil
	}
	cfg := diffusion.Default()
	if _, err := fmt.Sscanf(strings.Replace(parts[1], "_", " ", 1), "%g %g", &cfg.LinearStart, &cfg.LinearEnd); err != nil {
		return err
	}
	s, err := diffusion.NewSchedule(cfg)
	if err != nil {
		return err
	}
	grid, err := gridOf(parts[2], parts[3])
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
	for i, k := range sampler.DDIMSigmas(s, grid, eta) {
		got := map[string]float64{"sigmas": k.Sigma, "alphas": k.Alpha, "alphas_prev": k.AlphaPrev}[parts[0]]
		if math.Abs(got-want[i]) > 1e-6*math.Abs(want[i])+1e-12 {
			return fmt.Errorf("step %d: %.9g, want %.9g", i, got, want[i])
		}
	}
	return nil
}

func gridOf(kind, s string) (sampler.Grid, error) {
	steps, err := strconv.Atoi(strings.TrimPrefix(s, "S"))
	if err != nil {
		return nil, err
	}
	if kind == "quad" {
		return sampler.Quad(steps, 1000)
	}
	return sampler.CompVis(steps, 1000)
}
