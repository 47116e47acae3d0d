package train

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine/cpu"
)

// TestFineTune: a configuration without a model is that of init; the model learns a new
// word beside pictures of its class that it has drawn, and goes on after a stop.
func TestFineTune(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several times")
	}
	folder, run := t.TempDir(), filepath.Join(t.TempDir(), "run")
	pictures(t, folder)
	base := tinyModel(t, folder)
	tune := func(overrides ...string) error {
		cfg := DefaultDiffusion()
		all := append([]string{"init=" + base, "data.train=" + folder, "data.size=16", "train.batch_size=2", "train.ema_decay=0", "samples.steps=1", "samples.scale=0", "trigger=zog"}, overrides...)
		if err := config.Load(&cfg, []string{filepath.Join("..", "configs", "dreambooth.yaml")}, all); err != nil {
			t.Fatal(err)
		}
		return Diffusion(t.Context(), cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{})})
	}
	for _, steps := range []string{"1", "3"} {
		if err := tune("train.steps="+steps, "prior.prompt=number 3", "prior.count=3"); err != nil {
			t.Fatal(err)
		}
	}
	m, err := ldm.Open(filepath.Join(run, ModelFile), ldm.Options{Engine: cpu.New(cpu.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Prompt("zog, picture 1"), Steps: 1}); err != nil {
		t.Error(err)
	}
	run = filepath.Join(t.TempDir(), "other")
	if err := tune("train.steps=1", "prior.weight=-1"); err == nil || !strings.Contains(err.Error(), "prior.weight is -1") {
		t.Error(err)
	}
	if err := tune("train.steps=1", "init="); err == nil {
		t.Error("neither a model nor init")
	}
}
