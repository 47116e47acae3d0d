package ldm

import (
	"errors"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/model"
)

// TestWhatNetworksSay: the same output is noise, a clean latent or v, as the
// configuration says, also when pictures are made.
func TestWhatNetworksSay(t *testing.T) {
	x := random(1, 1, 4, 4, 4)
	made := map[string][]float32{}
	for _, kind := range []string{"eps", "x0", "v"} {
		m := tinyModel(t, tinyParams+"parameterization="+kind)
		e, err := Class(1).Encode(t.Context(), m, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.Predict(t.Context(), x, 300, []Encoding{e})
		if err != nil {
			t.Fatal(err)
		}
		g := &generation{Model: m, Request: Request{Condition: Class(1), Guidance: 1}, encoded: map[any]Encoding{}}
		denoise, err := (&part{generation: g, x: x, rows: 1}).denoiser(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := denoise(t.Context(), x.Clone(), 300)
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "eps":
			near(t, kind, got.Eps.F32, out.F32)
		case "x0":
			near(t, kind, got.X0.F32, out.F32)
		case "v":
			alpha, std := m.net.Schedule.Coefficients(300)
			want := make([]float32, len(out.F32))
			for i, v := range out.F32 {
				want[i] = float32(alpha)*x.F32[i] - float32(std)*v
			}
			near(t, kind, got.X0.F32, want)
		}
		result, err := m.Generate(t.Context(), Request{Condition: Class(1), Seeds: []uint64{1}, Steps: 3, Guidance: 1})
		if err != nil {
			t.Fatal(err)
		}
		made[kind] = result.Pixels.F32
	}
	if made["eps"][0] == made["x0"][0] || made["x0"][0] == made["v"][0] {
		t.Error("what the network says has no effect on the picture")
	}
	for _, bad := range []string{"parameterization=score", "beta_schedule=linaer", "loss_type=l3", "rescale_betas_zero_snr=true"} {
		_, err := model.New(tinyTarget(t, tinyParams+bad))
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}
