package sampler_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
)

// modelSchedule is the noise schedule that a case names.
func modelSchedule(t testing.TB, c *golden.Case) *diffusion.Schedule {
	t.Helper()
	m := struct {
		Schedule struct {
			Start float64 `json:"linear_start"`
			End   float64 `json:"linear_end"`
		} `json:"schedule"`
		Denoiser string `json:"denoiser"`
	}{}
	m.Schedule.Start, m.Schedule.End = .00085, .012
	if err := json.Unmarshal(c.Raw, &m); err != nil {
		t.Fatal(err)
	}
	cfg := diffusion.Default()
	cfg.LinearStart, cfg.LinearEnd = m.Schedule.Start, m.Schedule.End
	if strings.HasPrefix(m.Denoiser, "v-model") {
		cfg.Parameterization = diffusion.V
	}
	s, err := diffusion.NewSchedule(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchedules holds noise levels against those of k-diffusion, AUTOMATIC1111's
// program, ComfyUI and diffusers: outputs are named sigmas/steps or timesteps/steps.
func TestSchedules(t *testing.T) {
	registered := func(name string) func(*diffusion.Schedule, int) ([]float64, error) {
		c, err := sampler.ParseSchedule(name)
		if err != nil {
			t.Fatal(err)
		}
		return c.Levels
	}
	levels := func(f func(n int, least, most float64) []float64) func(*diffusion.Schedule, int) ([]float64, error) {
		return func(s *diffusion.Schedule, n int) ([]float64, error) {
			least, most := s.SigmaRange()
			return append(f(n, least, most), 0), nil
		}
	}
	karras := func(least, most, rho float64) func(*diffusion.Schedule, int) ([]float64, error) {
		return func(_ *diffusion.Schedule, n int) ([]float64, error) {
			return append(sampler.Karras(n, least, most, rho), 0), nil
		}
	}
	cases := golden.Cases(t, "kschedules/*")
	for name, f := range map[string]func(*diffusion.Schedule, int) ([]float64, error){
		"normal": registered("Normal"), "simple": registered("simple"), "sgm_uniform": registered("sgm_uniform"), "ddim_uniform": registered("ddim_uniform"),
		"turbo": registered("turbo"), "karras": registered("karras"), "exponential": registered("exponential"), "polyexponential-rho1": registered("polyexponential"),
		"vp": registered("vp"), "beta-a1111": registered("Beta"), "beta-comfyui": registered("beta_comfyui"), "kl_optimal-a1111": registered("KL Optimal"),
		"kl_optimal-comfyui": registered("kl_optimal_comfyui"), "ays-a1111": registered("Align Your Steps"), "ays-comfyui": registered("ays_comfyui"),
		"linear_quadratic": registered("linear_quadratic"), "diffusers-lcm": registered("LCM"),
		"diffusers-ddim-leading": registered("leading"), "diffusers-ddim-trailing": registered("trailing"),
		"diffusers-dpm-trailing": registered("trailing"), "diffusers-euler-trailing": registered("trailing"),
		"diffusers-euler-leading": registered("leading"), "diffusers-euler-karras": registered("karras"), "diffusers-euler-exponential": registered("exponential"),
		"diffusers-dpm-karras": registered("karras"), "diffusers-dpm-exponential": registered("exponential"),
		"diffusers-euler-beta":   registered("beta"),
		"karras-rho5":            levels(func(n int, least, most float64) []float64 { return sampler.Karras(n, least, most, 5) }),
		"polyexponential-rho0.5": levels(func(n int, least, most float64) []float64 { return sampler.Polyexponential(n, least, most, .5) }),
		"polyexponential-rho2":   levels(func(n int, least, most float64) []float64 { return sampler.Polyexponential(n, least, most, 2) }),
		"karras-0.0292-14.6146":  karras(.0292, 14.6146, 7), "karras-0.1-10": karras(.1, 10, 7),
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range cases {
				if base := c.Base(); base != name && base != "ldm-"+name && base != "sd-"+name {
					continue
				}
				s := modelSchedule(t, c)
				for output := range c.Outputs {
					if err := checkLevels(t, c, s, output, f); err != nil {
						t.Errorf("%s: %s: %v", c.Base(), output, err)
					}
				}
			}
		})
	}
}

func checkLevels(t *testing.T, c *golden.Case, s *diffusion.Schedule, output string, f func(*diffusion.Schedule, int) ([]float64, error)) error {
	kind, steps, _ := strings.Cut(output, "/")
	var n int
	fmt.Sscan(steps, &n)
	got, err := f(s, n)
	if err != nil {
		return err
	}
	tolerance := 1e-12
	if strings.Contains(c.Base(), "beta") {
		tolerance = 1e-9
	}
	var want []float64
	if kind == "timesteps" {
		times := c.Output(t, output)
		for _, v := range times.F32 {
			want = append(want, float64(v))
		}
		for _, v := range times.I32 {
			want = append(want, float64(v))
		}
		got = got[:len(got)-1]
		for i := range got {
			got[i] = s.Timestep(got[i])
			switch { // this scheduler rounds some, and cuts others
			case strings.HasSuffix(c.Base(), "dpm-karras"):
				got[i] = math.Round(got[i])
			case strings.HasSuffix(c.Base(), "dpm-exponential"):
				got[i] = math.Floor(got[i] + 1e-9)
			}
		}
		tolerance = 1e-6 // float32
		if strings.Contains(c.Base(), "beta") {
			tolerance = 1e-5
		}
	}
	if kind == "sigmas" {
		want = c.Floats64(t, output)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d numbers, want %d", len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= tolerance*math.Abs(w)+1e-12) {
			return fmt.Errorf("%d is %.17g, want %.17g", i, got[i], w)
		}
	}
	return nil
}
