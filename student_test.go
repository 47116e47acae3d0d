package ldm

import (
	"errors"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

// TestToldGuidance: a model that is told the scale of its guidance goes through the
// network once a step, with defaults of its own, and refuses what would have no effect.
func TestToldGuidance(t *testing.T) {
	m := tinyModel(t, tinyUNet+"time_cond_proj_dim=64")
	picture := func(scale float64) *Result {
		out, err := m.Generate(t.Context(), Request{Condition: Class(1), Seeds: []uint64{3}, Guidance: scale})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	usual := picture(0)
	if r := usual.Request; r.Steps != 4 || r.Sampler.Name != "LCM" || r.Guidance != 8.5 {
		t.Errorf("defaults: %d steps of %s with guidance %g, want 4 of LCM with 8.5", r.Steps, r.Sampler.Name, r.Guidance)
	}
	if g := (&generation{Model: m, Request: usual.Request}); g.places() != 1 {
		t.Errorf("a picture goes through the network %d times a step", g.places())
	}
	if !slices.Equal(usual.Pixels.F32, picture(8.5).Pixels.F32) {
		t.Error("the default is not 8.5")
	}
	if slices.Equal(usual.Pixels.F32, picture(2).Pixels.F32) {
		t.Error("the scale has no effect")
	}
	for _, r := range []Request{{Negative: Class(2)}, {Rescale: .5}, {Interval: [2]float64{.1, .5}}} {
		r.Condition = Class(1)
		if _, err := m.Generate(t.Context(), r); !errors.Is(err, fault.Unsupported) {
			t.Errorf("%+v: %v, want a refusal", r, err)
		}
	}
	if _, err := m.Predict(t.Context(), random(1, 1, 8, 8, 4), 10, []Encoding{{Context: random(2, 1, 32)}}); err == nil {
		t.Error("a denoiser without the scale ran")
	}
}
