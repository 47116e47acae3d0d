package sampler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// trajectory is a case of kdiffusion: a sampler on a model that is a formula.
type trajectory struct {
	Sampler  string    `json:"sampler"`
	Denoiser string    `json:"denoiser"`
	Quantize bool      `json:"quantize"`
	asked    []float64 // the timesteps that the network is asked at, where not those of the noise levels
	without  string    // why the last state is not compared
	Least    float64   `json:"sigma_min"`
	Most     float64   `json:"sigma_max"`
	Initial  float64   `json:"init_noise_sigma"`
	Steps    int       `json:"S"`
	Options  struct {
		Eta         *float64 `json:"eta"`
		SNoise      float64  `json:"s_noise"`
		Churn       float64  `json:"s_churn"`
		ChurnMin    float64  `json:"s_tmin"`
		ChurnMax    float64  `json:"s_tmax"`
		R           float64  `json:"r"`
		Order       int      `json:"order"`
		SolverOrder int      `json:"solver_order"`
		Solver      string   `json:"solver_type"`
		Variant     string   `json:"variant"`
		Relative    float64  `json:"rtol"`
		Absolute    float64  `json:"atol"`
		First       float64  `json:"h_init"`
		P           float64  `json:"pcoeff"`
		I           float64  `json:"icoeff"`
		D           float64  `json:"dcoeff"`
		Spacing     string   `json:"timestep_spacing"`
		Variance    string   `json:"variance_type"`
		Algorithm   string   `json:"algorithm_type"`
		AlphaOne    *bool    `json:"set_alpha_to_one"`
	} `json:"options"`
}

func read(t testing.TB, c *golden.Case) (k trajectory) {
	if err := json.Unmarshal(c.Raw, &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// methods are k-diffusion's names of samplers.
var methods = map[string]sampler.Func{
	"ddpm": sampler.DDPM, "deis": sampler.DEIS, "dpm_2": sampler.DPM2, "dpm_2_ancestral": sampler.DPM2Ancestral,
	"dpm_adaptive": sampler.DPMAdaptive, "dpm_fast": sampler.DPMFast, "dpmpp_2m": sampler.DPMPP2M,
	"dpmpp_2m_sde": sampler.DPMPP2MSDE, "dpmpp_2m_sde heun": sampler.DPMPP2MSDEHeun, "dpmpp_2m_sde midpoint": sampler.DPMPP2MSDE,
	"dpmpp_2s_ancestral": sampler.DPMPP2SAncestral, "dpmpp_3m_sde": sampler.DPMPP3MSDE, "dpmpp_sde": sampler.DPMPPSDE,
	"euler": sampler.Euler, "euler_ancestral": sampler.EulerAncestral, "heun": sampler.Heun, "heunpp2": sampler.HeunPP2,
	"ipndm": sampler.IPNDM, "ipndm_v": sampler.IPNDMV, "lcm": sampler.LCM, "lms": sampler.LMS, "restart": sampler.Restart,
	"unipc bh1": sampler.UniPCBH1, "unipc bh2": sampler.UniPC,
}

func (k trajectory) options(t *testing.T, c *golden.Case) sampler.Options {
	o := sampler.Options{Eta: 1, NoiseScale: k.Options.SNoise, Order: k.Options.Order, Midpoint: k.Options.R, Noise: draws(t, c),
		Churn:    sampler.Churn{Amount: k.Options.Churn, Min: k.Options.ChurnMin, Max: k.Options.ChurnMax},
		Adaptive: sampler.Adaptive{Relative: k.Options.Relative, Absolute: k.Options.Absolute, First: k.Options.First, P: k.Options.P, I: k.Options.I, D: k.Options.D}}
	if k.Options.SolverOrder > 0 {
		o.Order = k.Options.SolverOrder
	}
	if k.Options.Eta != nil {
		o.Eta = *k.Options.Eta
	} else if k.Sampler == "dpm_adaptive" || k.Sampler == "DDIMScheduler" {
		o.Eta = 0
	}
	return o
}

// draws gives a case's stored noise, one after the other.
func draws(t *testing.T, c *golden.Case) sampler.Noise {
	i := 0
	return func(dst *tensor.Tensor, _, _ float64) {
		copy(dst.F32, c.Output(t, fmt.Sprintf("noise/%03d", i)).ToNHWC().F32)
		i++
	}
}

func (k trajectory) denoiser(m mixture, s *diffusion.Schedule, seen *[]float64) sampler.Denoiser {
	if k.Denoiser == "mixture" {
		return m.denoiser(s, seen)
	}
	return m.network(s, k.Quantize, k.asked, seen)
}

// TestKDiffusion holds samplers against k-diffusion's and those of its descendants:
// every state, and where the denoiser is asked.
func TestKDiffusion(t *testing.T) {
	for _, c := range golden.Cases(t, "kdiffusion/*") {
		name := c.Base()
		if strings.HasPrefix(name, "diffusers") || name == "ode-exact" || strings.Contains(name, "-vp-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			k := read(t, c)
			run := methods[strings.TrimSpace(k.Sampler+" "+k.Options.Solver+k.Options.Variant)]
			if run == nil {
				t.Fatalf("no sampler %s", k.Sampler)
			}
			s := modelSchedule(t, c)
			path := sampler.Path{Schedule: s}
			if k.Most > 0 && k.Sampler[:4] == "dpm_" && len(c.Inputs) == 1 { // the ends alone
				path.Sigmas = append(sampler.Karras(max(k.Steps, 2), k.Least, k.Most, 7), 0)
			} else {
				path.Sigmas = c.Floats64(t, "input/sigmas")
			}
			k.check(t, c, run, path, 1)
		})
	}
}

// check runs a case. States are compared in the scale x0 + σ·ε, or for power 0
// as they are.
func (k trajectory) check(t *testing.T, c *golden.Case, run sampler.Func, path sampler.Path, power float64) {
	var seen []float64
	d := k.denoiser(mixtureOf(t, c), path.Schedule, &seen)
	x := c.Input(t, "x_T").ToNHWC()
	first := path.Sigmas[0]
	for i := range x.F32 {
		if power == 0 {
			break
		}
		x.F32[i] = float32(float64(x.F32[i]) * first / math.Sqrt(1+first*first))
		if k.Initial > 0 {
			x.F32[i] *= float32(k.Initial / first)
		}
	}
	want, output := []float64(nil), "x_steps"
	for _, output = range []string{"x_steps", "x_accepted"} {
		if c.Has(output) {
			want = c.Floats64(t, output)
			break
		}
	}
	if c.Has("x_corrected") { // what the next step begins with; there is none after the last
		want = append(c.Floats64(t, "x_corrected")[len(x.F32):], want[len(want)-len(x.F32):]...)
	}
	tolerance := 2e-5
	switch k.Sampler {
	case "deis": // the reference has a sum of 10,000 terms in place of the integral
		tolerance = 1e-4
	case "dpm_adaptive": // the reference's tolerance for float32: steps follow from differences of predictions
		tolerance = 1e-4
	}
	steps := 0
	for state, err := range run(context.Background(), d, x, path, k.options(t, c)) {
		if err != nil {
			t.Fatal(err)
		}
		if output == "x_accepted" && state.Total != 0 || output == "x_steps" && state.Total*len(x.F32) != len(want) {
			t.Fatalf("%d steps in all", state.Total)
		}
		if k.without != "" && state.Step == state.Total {
			t.Logf("the last state is not compared: %s", k.without)
			steps++
			continue
		}
		got := state.X.ToNCHW()
		for i := range got.F32 {
			got.F32[i] *= float32(math.Pow(1+state.Sigma*state.Sigma, power/2))
		}
		if err := same(got.F32, want[steps*len(x.F32):(steps+1)*len(x.F32)], tolerance); err != nil {
			t.Fatalf("step %d: %v", state.Step, err)
		}
		if c.Has("denoised_steps") {
			x0 := state.X0.ToNCHW()
			if e := golden.RelErr(x0.F32, c.Output(t, "denoised_steps").Row(steps).F32); e > tolerance {
				t.Fatalf("step %d: the clean latent has error %g", state.Step, e)
			}
		}
		steps++
	}
	if steps*len(x.F32) != len(want) {
		t.Errorf("%d steps, want %d", steps, len(want)/len(x.F32))
	}
	if !c.Has("model_sigmas") {
		return
	}
	levels := c.Floats64(t, "model_sigmas")
	if len(levels) != len(seen) {
		t.Fatalf("%d calls of the denoiser, want %d", len(seen), len(levels))
	}
	for i, w := range levels {
		if math.Abs(seen[i]-w) > 1e-9*w {
			t.Fatalf("call %d of the denoiser is at σ = %.12g, want %.12g", i, seen[i], w)
		}
	}
}
