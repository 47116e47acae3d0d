package sampler_test

import (
	"context"
	"math"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

func TestStrengths(t *testing.T) {
	type row struct {
		Scheduled   int `json:"schedule_steps"`
		First       int `json:"first"`
		Evaluations int `json:"evaluations"`
	}
	for _, c := range golden.Cases(t, "kschedules/img2img") {
		var file struct {
			Rows []struct {
				Steps     int     `json:"steps"`
				Strength  float64 `json:"strength"`
				A1111     row     `json:"a1111"`
				Fixed     row     `json:"a1111_fixed_steps"`
				ComfyUI   row     `json:"comfyui"`
				Diffusers row     `json:"diffusers"`
			} `json:"rows"`
		}
		c.Manifest(t, &file)
		for _, r := range file.Rows {
			for name, rule := range map[string]struct {
				f    sampler.Strength
				want row
			}{"a1111": {sampler.A1111Strength, r.A1111}, "fixed": {sampler.A1111FixedStrength, r.Fixed}, "comfyui": {sampler.ComfyUIStrength, r.ComfyUI}, "diffusers": {sampler.DiffusersStrength, r.Diffusers}} {
				scheduled, first := rule.f(r.Steps, r.Strength)
				if got := (row{scheduled, first, scheduled - first}); got != rule.want {
					t.Errorf("%s: %d steps at %g: %+v, want %+v", name, r.Steps, r.Strength, got, rule.want)
				}
			}
		}
	}
}

// TestInvert: what is inverted comes back, with corrections within float32's error.
func TestInvert(t *testing.T) {
	s := saysClean(t)
	m := mixture{[]float64{1, 1}, []float64{.3, .5}, [][]float64{{1, -1}, {-1, 0}}}
	p, err := sampler.Even(s, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rounds int
		worst  float64
	}{{0, .5}, {5, 1e-3}} {
		x := tensor.New(1, 4, 4, 2)
		for i := range x.F32 {
			x.F32[i] = float32([]float64{1, -1, -1, 0}[i%4]) + .2*float32(math.Sin(float64(i)))
		}
		want := x.Clone()
		var seen []float64
		d := m.denoiser(s, &seen)
		steps := 0
		for state, err := range sampler.Invert(context.Background(), d, x, p, sampler.Options{Rounds: c.rounds}) {
			if err != nil {
				t.Fatal(err)
			}
			if steps++; state.Sigma != p.Sigmas[50-steps] {
				t.Fatalf("step %d leads to %g, want %g", steps, state.Sigma, p.Sigmas[50-steps])
			}
		}
		for _, err := range sampler.DDIM(context.Background(), d, x, p, sampler.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		worst := 0.0
		for i, v := range x.F32 {
			worst = max(worst, math.Abs(float64(v-want.F32[i])))
		}
		t.Logf("%d rounds: comes back within %g", c.rounds, worst)
		if !(worst <= c.worst) {
			t.Errorf("%d rounds: comes back within %g, want %g", c.rounds, worst, c.worst)
		}
	}
}
