package sampler_test

import (
	"context"
	"math"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
)

// TestOrders holds each sampler without fresh noise to its order of convergence:
// its error against the exact solution of dx/dσ = (x - D)/σ falls as a power of
// the number of steps, until float32 rounds.
func TestOrders(t *testing.T) {
	for _, c := range golden.Cases(t, "kdiffusion/ode-exact") {
		m := mixtureOf(t, c)
		s := modelSchedule(t, c)
		levels := c.Floats64(t, "input/sigmas")
		most, least := levels[0], levels[len(levels)-1]
		start := c.Input(t, "x_T").ToNHWC()
		exact := c.Floats64(t, "x_exact")
		exact = exact[len(exact)-len(start.F32):]
		even := func(n int) (sigmas []float64) { // in the schedule's timesteps
			from, to := s.Timestep(most), s.Timestep(least)
			for i := range n + 1 {
				sigmas = append(sigmas, s.Sigma(from+(to-from)*float64(i)/float64(n)))
			}
			return sigmas
		}
		karras := func(n int) []float64 { return sampler.Karras(n+1, least, most, 7) }
		failure := func(run sampler.Func, sigmas []float64, o sampler.Options) float64 {
			x := start.Clone()
			for i := range x.F32 {
				x.F32[i] = float32(float64(x.F32[i]) * most / math.Sqrt(1+most*most))
			}
			var seen []float64
			path := sampler.Path{Schedule: s, Sigmas: sigmas}
			for _, err := range run(context.Background(), m.denoiser(s, &seen), x, path, o) {
				if err != nil {
					t.Fatal(err)
				}
			}
			worst := 0.0
			for i, v := range x.ToNCHW().F32 {
				worst = max(worst, math.Abs(float64(v)*math.Sqrt(1+least*least)-exact[i]))
			}
			return worst
		}
		for _, k := range []struct {
			name    string
			run     sampler.Func
			order   int     // of Options
			n       int     // steps, and twice as many
			least   float64 // the order wanted
			largest float64 // the error wanted with twice as many steps
		}{
			{"DDIM", sampler.DDIM, 0, 160, .9, .02},
			{"PLMS", sampler.PLMS, 0, 320, 1.8, 4e-4},
			{"Euler", sampler.Euler, 0, 160, .9, .02},
			{"Euler a", sampler.EulerAncestral, 0, 160, .9, .02},
			{"Heun", sampler.Heun, 0, 40, 1.8, .0014},
			{"Heun++ 2", sampler.HeunPP2, 0, 160, .9, .014},
			{"DPM2", sampler.DPM2, 0, 40, 1.8, .0014},
			{"DPM2 a", sampler.DPM2Ancestral, 0, 40, 1.8, .0014},
			{"LMS 2", sampler.LMS, 2, 80, 1.8, .0027},
			{"LMS 3", sampler.LMS, 3, 80, 2.6, 4e-4},
			{"LMS 4", sampler.LMS, 4, 40, 3.1, 7e-4},
			{"DPM++ 2S a", sampler.DPMPP2SAncestral, 0, 40, 1.8, .0032},
			{"DPM++ 2M", sampler.DPMPP2M, 0, 80, 1.8, 9e-4},
			{"DPM++ SDE", sampler.DPMPPSDE, 0, 40, 1.8, .0032},
			{"DPM++ 2M SDE", sampler.DPMPP2MSDE, 0, 80, 1.8, 9e-4},
			{"DPM++ 2M SDE Heun", sampler.DPMPP2MSDEHeun, 0, 80, 1.8, 9e-4},
			{"DPM++ 3M SDE", sampler.DPMPP3MSDE, 0, 80, 1.9, 2.1e-4},
			{"DPM fast", sampler.DPMFast, 0, 60, 2.4, 3e-4},
			{"IPNDM", sampler.IPNDM, 0, 80, 1.6, 1.7e-4},
			{"DEIS", sampler.DEIS, 0, 40, 2, 1e-2},
			{"UniPC 1", sampler.UniPC, 1, 80, 1.8, .0025},
			{"UniPC 2", sampler.UniPC, 2, 40, 2.6, 8e-4},
			{"UniPC 3", sampler.UniPC, 3, 40, 2, 1.1e-4},
			{"UniPC BH1", sampler.UniPCBH1, 3, 40, 2, 1.1e-4},
		} {
			levels := karras
			if k.name == "PLMS" {
				levels = even
			}
			few, many := failure(k.run, levels(k.n), sampler.Options{Order: k.order}), failure(k.run, levels(2*k.n), sampler.Options{Order: k.order})
			order := math.Log2(few / many)
			t.Logf("%s: error %.3g with %d steps, %.3g with %d: order %.2f", k.name, few, k.n, many, 2*k.n, order)
			if !(order >= k.least && many <= k.largest) {
				t.Errorf("%s: order %.2f, want %g; error %.3g, want %g", k.name, order, k.least, many, k.largest)
			}
		}
		if e := failure(sampler.DPMAdaptive, karras(2), sampler.Options{Adaptive: sampler.Adaptive{Relative: .001, Absolute: .0001}}); !(e < .01) {
			t.Errorf("DPM adaptive: error %g", e)
		}
	}
}
