package ldm

import (
	"context"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/tensor"
)

// limited is a model with another limit on its memory.
func limited(m *Model, bytes int64) *Model {
	return New(m.net, m.target, m.tokenizer, m.weights, Options{Engine: m.stage.large.Engine, MaxMemory: machine.MaxMemory(bytes)})
}

// TestLittleMemory: a first stage gives in little memory what it gives in much,
// and a denoiser that does not fit goes patch by patch.
func TestLittleMemory(t *testing.T) {
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
