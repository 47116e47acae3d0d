package emoji_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/weights/emoji"
)

// TestStudent: the student in the program is the model with its LoRA, sampled by four steps
// of LCM; on another model the LoRA is refused. A model that takes the place of the one in
// the program wants a student of its own (configs/emoji-distill.yaml).
func TestStudent(t *testing.T) {
	if testing.Short() {
		t.Skip("draws with two models")
	}
	open := func(load func(ldm.Options) (*ldm.Model, error)) *ldm.Model {
		m, err := load(ldm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	draw := func(m *ldm.Model) *ldm.Result {
		out, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Prompt("a red apple"), Seeds: []uint64{7}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	student, base := open(emoji.LoadStudent), open(emoji.Load)
	want := draw(student)
	if r := want.Request; r.Steps != 4 || r.Sampler.Name != "LCM" || r.Guidance != 1 {
		t.Errorf("%d steps of %s with guidance %g, want 4 of LCM with 1", r.Steps, r.Sampler.Name, r.Guidance)
	}
	if unused, err := base.SetLoRA(t.Context(), emoji.Student()); err != nil || len(unused) > 0 {
		t.Fatal(unused, err)
	}
	if out := draw(base); !slices.Equal(out.Pixels.F32, want.Pixels.F32) || out.Request.Steps != 4 {
		t.Error("the model with the LoRA is not the student")
	}
	if _, err := base.SetLoRA(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := base.Defaults(); d.Steps != 50 || d.Guidance == 1 {
		t.Errorf("without the LoRA: %+v", d)
	}
	if _, err := student.SetLoRA(t.Context(), emoji.Student()); err == nil || !strings.Contains(err.Error(), "is a student already") {
		t.Errorf("the LoRA on its own student: %v", err)
	}
	saved := filepath.Join(t.TempDir(), "student.safetensors")
	if err := student.Save(saved, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	if out := draw(open(func(o ldm.Options) (*ldm.Model, error) { return ldm.Open(saved, o) })); !slices.Equal(out.Pixels.F32, want.Pixels.F32) {
		t.Errorf("the student that was saved is another: %+v", out.Request)
	}
	refuseElsewhere(t, base)
}

// refuseElsewhere changes one number of a model, which is another one then.
func refuseElsewhere(t *testing.T, m *ldm.Model) {
	const bias = "model.diffusion_model.out.2.bias"
	vars, err := m.Weights().Pull(bias)
	if err != nil {
		t.Fatal(err)
	}
	changed := vars[bias].Float32().Clone()
	changed.F32[0] += 0.25
	if err := m.Weights().Push(engine.Vars{bias: changed}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.safetensors")
	if err := m.Save(path, checkpoint.F16); err != nil {
		t.Fatal(err)
	}
	other, err := ldm.Open(path, ldm.Options{LoRA: nil})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.SetLoRA(t.Context(), emoji.Student()); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "emoji-lcm.safetensors was made of another model") {
		t.Errorf("on another model: %v, want a refusal", err)
	}
}
