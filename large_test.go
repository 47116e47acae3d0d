package ldm

import (
	"context"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
)

// limited is a model with another limit on its memory.
func limited(m *Model, bytes int64) *Model {
	return New(m.net, m.target, m.tokenizer, m.weights, Options{Engine: m.stage.large.Engine, MaxMemory: machine.MaxMemory(bytes)})
}

// TestLittleMemory: a first stage gives in little memory what it gives in much,
// and a denoiser that does not fit goes patch by patch.
func TestLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	m := tinyModel(t)
	little := limited(m, 48<<20)
	ctx := context.Background()
	z := random(1, 1, 96, 160, 4)
	want, err := m.stage.Decode(ctx, z)
	if err != nil {
		t.Fatal(err)
	}
	got, err := little.stage.Decode(ctx, z)
	if err != nil {
		t.Fatal(err)
	}
	if e := golden.RelErr(got.F32, want.F32); !(e < 5e-5) {
		t.Errorf("decoded in little memory: error %g", e)
	}
	conditions := []Encoding{{Context: random(2, 1, 32)}}
	smooth := tensor.New(1, 96, 160, 4)
	whole, err := m.Predict(ctx, smooth, 500, conditions)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := limited(m, 12<<20).Predict(ctx, smooth, 500, conditions)
	if err != nil {
		t.Fatal(err)
	}
	if e := golden.RelErr(patched.F32, whole.F32); !(e < .5) || e == 0 {
		t.Errorf("denoised by patches: error %g", e)
	}
}

// TestGoldenPatches holds DDIM patch by patch, each with its part of a joined
// condition, against the reference's trajectory.
func TestGoldenPatches(t *testing.T) {
	for _, c := range golden.Cases(t, "patches") {
		if c.Base() != "superres-ddim" {
			continue
		}
		m := goldenModel(t, c)
		split := tiles.NewSplit(16)
		m = New(m.net, m.target, nil, m.weights, Options{Engine: m.stage.large.Engine, Patches: &split})
		c.Steps, c.Eta, c.Scale = 4., 0., 1.
		checkDDIM(t, c, m, sampled{x: c.Input(t, "x").ToNHWC(), cond: c.Output(t, "c").ToNHWC()})
	}
}
