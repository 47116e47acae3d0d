package sampler_test

import (
	"context"
	"iter"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// consistent is LCM as its models are sampled.
func consistent(ctx context.Context, d sampler.Denoiser, x *tensor.Tensor, p sampler.Path, o sampler.Options) iter.Seq2[sampler.State, error] {
	return sampler.LCM(ctx, sampler.Consistent(d), x, p, o)
}

// TestDiffusers holds samplers against diffusers' schedulers.
func TestDiffusers(t *testing.T) {
	for _, c := range golden.Cases(t, "kdiffusion/diffusers-*") {
		name := strings.TrimPrefix(c.Base(), "diffusers-")
		run := map[string]sampler.Func{
			"ddim": sampler.DDIM, "ddpm": sampler.DDPM, "dpmpp-2m": sampler.DPMPP2M, "dpmpp-2m-sde": sampler.DPMPP2MSDE,
			"dpmpp-2m-sde-heun": sampler.DPMPP2MSDEHeun, "euler": sampler.Euler, "euler-ancestral": sampler.EulerAncestral, "lms": sampler.LMS, "lcm": consistent, "tcd": sampler.TCD,
			"unipc-bh1": sampler.UniPCBH1, "unipc-bh2": sampler.UniPC,
		}
		var f sampler.Func
		longest := ""
		for prefix, r := range run {
			if strings.HasPrefix(name, prefix+"-") && len(prefix) > len(longest) {
				f, longest = r, prefix
			}
		}
		if f == nil || strings.HasPrefix(name, "dpmpp-2m-heun") || name == "unipc-bh2-eps-prediction-10" || name == "unipc-bh2-no-corrector-start-10" {
			continue // another variant than is offered here
		}
		t.Run(name, func(t *testing.T) {
			k := read(t, c)
			s := modelSchedule(t, c)
			if k.Options.Variance == "fixed_large" {
				s.VPosterior = 1
				k.without = "diffusers adds noise even then"
			}
			path, power := sampler.Path{Schedule: s}, 0.0
			times := c.Output(t, "timesteps")
			for _, at := range times.I32 {
				k.asked = append(k.asked, float64(at))
			}
			for _, at := range times.F32 {
				k.asked = append(k.asked, float64(at))
			}
			if c.Has("scheduler_sigmas") {
				path.Sigmas = c.Floats64(t, "scheduler_sigmas")
			} else {
				var times []int
				for _, at := range k.asked {
					times = append(times, int(at))
				}
				clean := k.Options.AlphaOne == nil || *k.Options.AlphaOne
				path = sampler.Along(s, times, clean && longest != "tcd")
			}
			if strings.HasPrefix(longest, "euler") || longest == "lms" {
				power = 1
			}
			if longest == "unipc-bh2" {
				k.without = "a path to 0 is ended at 0.001"
			}
			k.check(t, c, f, path, power)
		})
	}
}

// TestFewSteps: the schedules by name are those that the published models of few steps are
// sampled along: Turbo's and Lightning's trailing timesteps, and those of LCM-LoRA.
func TestFewSteps(t *testing.T) {
	for pattern, name := range map[string]string{"kdiffusion/diffusers-euler*-trailing-*": "Trailing", "kdiffusion/diffusers-lcm-*": "LCM"} {
		for _, c := range golden.Cases(t, pattern) {
			schedule, err := sampler.ParseSchedule(name)
			if err != nil {
				t.Fatal(err)
			}
			k, times := read(t, c), c.Output(t, "timesteps")
			path, err := schedule.Path(modelSchedule(t, c), k.Steps)
			if err != nil {
				t.Fatal(err)
			}
			if path.Steps() != times.Shape.Size() {
				t.Fatalf("%s: %d steps, want %d", c.Name, path.Steps(), times.Shape.Size())
			}
			for i := range path.Steps() {
				want := 0.0
				if times.I32 != nil {
					want = float64(times.I32[i])
				} else {
					want = float64(times.F32[i])
				}
				if got := path.Timestep(i); math.Abs(got-want) > 1e-6 {
					t.Errorf("%s: step %d is at timestep %g, want %g", c.Name, i, got, want)
				}
				if c.Has("scheduler_sigmas") {
					if want := c.Floats64(t, "scheduler_sigmas")[i]; math.Abs(path.Sigmas[i]-want) > 1e-9*want {
						t.Errorf("%s: level %d is %.12g, want %.12g", c.Name, i, path.Sigmas[i], want)
					}
				}
			}
			if name == "Trailing" && path.Sigmas[path.Steps()] != 0 {
				t.Errorf("%s: the last step leads to %g", c.Name, path.Sigmas[path.Steps()])
			}
		}
	}
}

// TestUniPCTimes holds UniPC against its authors' program on paths of theirs, which
// interpolate ln ᾱ and not ln σ.
func TestUniPCTimes(t *testing.T) {
	for _, c := range golden.Cases(t, "kdiffusion/unipc-bh*-vp-*") {
		t.Run(c.Base(), func(t *testing.T) {
			if strings.Contains(c.Base(), "-noise-") {
				t.Skip("a form that predicts noise is not offered")
			}
			k := read(t, c)
			k.asked = c.Floats64(t, "model_timesteps")
			path := sampler.Path{Schedule: modelSchedule(t, c)}
			bars := c.Input(t, "alphas_cumprod").F32
			for _, at := range c.Floats64(t, "times") {
				at = at*float64(len(bars)) - 1
				i := min(int(at+1e-9), len(bars)-2)
				from, to := math.Log(float64(bars[i])), math.Log(float64(bars[i+1]))
				path.Sigmas = append(path.Sigmas, math.Sqrt(math.Expm1(-from-(at-float64(i))*(to-from))))
			}
			k.check(t, c, methods["unipc "+k.Options.Variant], path, 0)
		})
	}
}
