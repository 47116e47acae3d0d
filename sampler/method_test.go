package sampler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

func TestParse(t *testing.T) {
	for text, want := range map[string][2]string{
		"DPM++ 2M Karras": {"DPM++ 2M", "Karras"}, "dpmpp_2m": {"DPM++ 2M", ""}, "k_dpmpp_2m_ka": {"", ""}, "dpmpp_2m_k": {"DPM++ 2M", "Karras"},
		"k_euler_a": {"Euler a", ""}, "euler_a": {"Euler a", ""}, "Euler Ancestral": {"Euler a", ""}, "k_euler": {"Euler", ""}, "sample_euler_ancestral": {"Euler a", ""},
		"DPM++ 2M SDE Heun Exponential": {"DPM++ 2M SDE Heun", "Exponential"}, "dpmpp_2m_sde_gpu": {"DPM++ 2M SDE", ""}, "DPM++ 3M SDE Karras": {"DPM++ 3M SDE", "Karras"},
		"k_dpm_2_a": {"DPM2 a", ""}, "DPM2 a Karras": {"DPM2 a", "Karras"}, "kdpm_2_a": {"DPM2 a", ""}, "dpm_2_ancestral": {"DPM2 a", ""}, "k_dpm_2": {"DPM2", ""}, "DPM2": {"DPM2", ""},
		"k_dpm_fast": {"DPM fast", ""}, "k_dpm_ad": {"DPM adaptive", ""}, "DPM adaptive": {"DPM adaptive", ""}, "k_lms": {"LMS", ""}, "LMS Karras": {"LMS", "Karras"},
		"k_heun": {"Heun", ""}, "heunpp2": {"Heun++ 2", ""}, "DPM++ 2S a Karras": {"DPM++ 2S a", "Karras"}, "dpmpp_2s_ancestral": {"DPM++ 2S a", ""}, "dpmpp_2s": {"DPM++ 2S a", ""},
		"uni_pc": {"UniPC", ""}, "uni_pc_bh2": {"UniPC", ""}, "UniPC": {"UniPC", ""}, "unipc_bh1": {"UniPC BH1", ""}, "ddim": {"DDIM", ""}, "DDIM trailing": {"DDIM", "Trailing"},
		"ddim_trailing": {"DDIM", "Trailing"}, "plms": {"PLMS", ""}, "PNDM": {"PLMS", ""}, "ddpm": {"DDPM", ""}, "lcm": {"LCM", ""}, "k_lcm": {"LCM", ""}, "tcd": {"TCD", ""},
		"ipndm": {"IPNDM", ""}, "ipndm_v": {"IPNDM_V", ""}, "deis": {"DEIS", ""}, "Restart": {"Restart", ""}, "restart karras": {"Restart", "Karras"},
		"EulerDiscreteScheduler": {"Euler", ""}, "DPMSolverMultistepScheduler": {"DPM++ 2M", ""}, "Euler SGM Uniform": {"Euler", "SGM Uniform"}, "euler_simple": {"Euler", "Simple"},
		"Euler a Uniform": {"Euler a", "Normal"}, "DPM++ 2M Align Your Steps": {"DPM++ 2M", "Align Your Steps"}, "DPM++ 2M Beta": {"DPM++ 2M", "Beta"}, "DPM++ SDE Karras": {"DPM++ SDE", "Karras"},
		"Euler Automatic": {"Euler", ""},
		"":                {"", ""}, "Euler b": {"", ""}, "Karras": {"", ""}, "DPM++ 2M Kerras": {"", ""}, "k": {"", ""},
	} {
		m, c, err := sampler.Parse(text)
		if m.Name != want[0] || c.Name != want[1] {
			t.Errorf("%q: %q with schedule %q, want %q with %q", text, m.Name, c.Name, want[0], want[1])
		}
		if bad := want[0] == ""; bad != errors.Is(err, fault.Input) || bad && !strings.Contains(err.Error(), "DPM++ 2M SDE Heun") {
			t.Errorf("%q: error %v", text, err)
		}
	}
	for text, want := range map[string]string{"": "", "Automatic": "", "karras": "Karras", "SGM Uniform": "SGM Uniform", "sgm_uniform": "SGM Uniform", "ays": "Align Your Steps", "Uniform": "Normal", "kl_optimal": "KL Optimal", "ddim_uniform": "DDIM"} {
		if c, err := sampler.ParseSchedule(text); err != nil || c.Name != want {
			t.Errorf("schedule %q: %q, want %q; error %v", text, c.Name, want, err)
		}
	}
	if _, err := sampler.ParseSchedule("carras"); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "Karras") {
		t.Errorf("carras: error %v", err)
	}
}

// TestNamesAreDistinct: no name or alias means two samplers or two schedules, and
// all are found.
func TestNamesAreDistinct(t *testing.T) {
	for _, m := range sampler.Methods() {
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			if got, _, err := sampler.Parse(name); err != nil || got.Name != m.Name {
				t.Errorf("%q finds %q, want %q; error %v", name, got.Name, m.Name, err)
			}
		}
		for _, c := range sampler.Schedules() {
			if got, schedule, err := sampler.Parse(m.Name + " " + c.Name); err != nil || got.Name != m.Name || schedule.Name != c.Name {
				t.Errorf("%q finds %q with %q; error %v", m.Name+" "+c.Name, got.Name, schedule.Name, err)
			}
		}
	}
	for _, c := range sampler.Schedules() {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if got, err := sampler.ParseSchedule(name); err != nil || got.Name != c.Name {
				t.Errorf("schedule %q finds %q, want %q; error %v", name, got.Name, c.Name, err)
			}
		}
	}
}

// TestMethodPaths: a method's path has as many steps as asked for, takes its own
// schedule, leaves out what other programs leave out, and refuses what does not go
// with it.
func TestMethodPaths(t *testing.T) {
	s, err := diffusion.NewSchedule(diffusion.Default())
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) (sampler.Method, sampler.Schedule) {
		m, c, err := sampler.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		return m, c
	}
	for _, m := range sampler.Methods() {
		for _, steps := range []int{1, 2, 7, 20} {
			p, err := m.Path(sampler.Schedule{}, s, steps)
			if err != nil || p.Steps() != steps {
				t.Errorf("%s: %d steps, want %d; error %v", m.Name, p.Steps(), steps, err)
			}
		}
	}
	m, c := find("DPM2 Karras")
	p, err := m.Path(c, s, 10)
	least, most := s.SigmaRange()
	want := sampler.Karras(11, least, most, 7)[:10]
	if err != nil || !slices.Equal(p.Sigmas, append(want, 0)) {
		t.Errorf("DPM2: %v, want %v and 0; error %v", p.Sigmas, want, err)
	}
	for _, name := range []string{"PLMS Karras", "DPM adaptive Karras", "Restart Exponential"} {
		m, c := find(name)
		if _, err := m.Path(c, s, 20); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "does not go with schedule "+c.Name+": it goes with") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, steps := range []int{-1, 0, 100000} {
		if _, err := m.Path(c, s, steps); !errors.Is(err, fault.Input) {
			t.Errorf("%d steps: error %v", steps, err)
		}
	}
	zero := diffusion.Default()
	zero.ZeroSNR, zero.Parameterization = true, diffusion.V
	if s, err = diffusion.NewSchedule(zero); err != nil {
		t.Fatal(err)
	}
	if p, err := (sampler.Method{}).Path(sampler.Schedule{}, s, 10); err != nil || p.Timestep(0) != 999 {
		t.Errorf("zero terminal SNR begins at %g, want 999; error %v", p.Timestep(0), err)
	}
}

// TestMethods: what the list says of calls, of eta and of noise is so.
func TestMethods(t *testing.T) {
	s, err := diffusion.NewSchedule(diffusion.Default())
	if err != nil {
		t.Fatal(err)
	}
	m := mixture{[]float64{1, 1}, []float64{.3, .5}, [][]float64{{1, -1}, {-1, 0}}}
	run := func(method sampler.Method, eta float64) (x []float32, calls, drawn int) {
		var seen []float64
		start := tensor.New(1, 2, 2, 2)
		sampler.Streams([]uint64{1})(start, 0, 0)
		p, err := method.Path(sampler.Schedule{}, s, 24)
		if err != nil {
			t.Fatal(err)
		}
		noise := func(dst *tensor.Tensor, from, to float64) {
			drawn++
			sampler.Streams([]uint64{uint64(drawn)})(dst, from, to)
		}
		for _, err := range method.Run(context.Background(), m.denoiser(s, &seen), start, p, sampler.Options{Eta: eta, Noise: noise}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		return start.F32, len(seen), drawn
	}
	for _, method := range sampler.Methods() {
		x, calls, drawn := run(method, method.Eta)
		if method.Random != (drawn > 0) {
			t.Errorf("%s: %d draws of noise", method.Name, drawn)
		}
		if method.Calls > 0 && (float64(calls) > method.Calls*24 || float64(calls) < method.Calls*24-3) && method.Name != "PLMS" && method.Name != "Restart" {
			t.Errorf("%s: %d calls in 24 steps, want %g a step", method.Name, calls, method.Calls)
		}
		if y, _, _ := run(method, method.Eta+.5); method.UsesEta == slices.Equal(x, y) {
			t.Errorf("%s: eta changes something: %v", method.Name, !slices.Equal(x, y))
		}
		if method.Doc == "" {
			t.Errorf("%s has no line", method.Name)
		}
	}
}
