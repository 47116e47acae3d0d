package diffusers

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
)

func TestSchedules(t *testing.T) {
	for theirs, want := range map[string]diffusion.Config{
		`{"beta_schedule": "linear", "beta_start": 0.001, "beta_end": 0.01, "num_train_timesteps": 50, "prediction_type": "sample"}`: {
			BetaSchedule: "sqrt_linear", LinearStart: 0.001, LinearEnd: 0.01, Timesteps: 50, Parameterization: "x0"},
		`{"beta_schedule": "squaredcos_cap_v2", "prediction_type": "epsilon"}`: {
			BetaSchedule: "cosine", LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: "eps"},
		`{}`:                               {BetaSchedule: "sqrt_linear", LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: "eps"},
		`{"trained_betas": [0.125, 0.25]}`: {GivenBetas: []float64{0.125, 0.25}, Timesteps: 2, Parameterization: "eps"},
	} {
		files := stableDiffusion()
		files[scheduleName] = file(theirs)
		if p := decode(t, open(t, files)); !reflect.DeepEqual(p.Config, want) {
			t.Errorf("%s: %+v: want %+v", theirs, p.Config, want)
		}
	}
}

func TestUnknownFieldsAreNamed(t *testing.T) {
	files := stableDiffusion()
	files["unet/config.json"] = file(replace(sdUNet, "{", `{"novelty": [1], "other": null, "flag": false,`))
	l := open(t, files)
	if len(l.Assumed) != 2 || !strings.Contains(l.Assumed[0], `"novelty" is unknown`) {
		t.Errorf("assumed %q", l.Assumed)
	}
}
