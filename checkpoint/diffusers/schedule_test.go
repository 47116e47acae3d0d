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
			BetaSchedule: diffusion.SqrtLinear, LinearStart: 0.001, LinearEnd: 0.01, Timesteps: 50, Parameterization: diffusion.X0},
		`{"beta_schedule": "squaredcos_cap_v2", "prediction_type": "epsilon"}`: {
			BetaSchedule: diffusion.Cosine, LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: diffusion.Eps},
		`{"prediction_type": "v_prediction", "rescale_betas_zero_snr": true}`: {
			BetaSchedule: diffusion.SqrtLinear, LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: diffusion.V, ZeroSNR: true},
		`{}`:                                {BetaSchedule: diffusion.SqrtLinear, LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: diffusion.Eps},
		`{"lambda_min_clipped": -Infinity}`: {BetaSchedule: diffusion.SqrtLinear, LinearStart: 1e-4, LinearEnd: 2e-2, Timesteps: 1000, Parameterization: diffusion.Eps},
		`{"trained_betas": [0.125, 0.25]}`:  {GivenBetas: []float64{0.125, 0.25}, Timesteps: 2, Parameterization: diffusion.Eps},
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
