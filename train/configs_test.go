package train

import (
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/model"
)

// TestConfigs: the repository's configurations are legal, alone or behind those
// that they are merged with.
func TestConfigs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "configs", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	for _, file := range files {
		list := []string{file}
		if filepath.Base(file) == "emoji-diffusion-tune.yaml" {
			list = []string{filepath.Join("..", "configs", "emoji-diffusion.yaml"), file}
		}
		var any struct {
			Model config.Target `yaml:"model"`
		}
		raw := map[string]interface{}{}
		if err := config.Load(&raw, list, nil); err != nil {
			t.Fatal(err)
		}
		m, _ := raw["model"].(map[string]interface{})
		any.Model.Target, _ = m["target"].(string)
		if _, ok := raw["student"]; ok {
			cfg := DefaultDistill()
			if err := config.Load(&cfg, list, nil); err != nil {
				t.Error(err)
			} else if err := cfg.Student.validate(1000); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		if m == nil { // that of init
			cfg := DefaultDiffusion()
			if err := config.Load(&cfg, list, nil); err != nil {
				t.Error(err)
			}
			continue
		}
		if !model.IsDiffusion(any.Model) {
			cfg := DefaultAutoencoder()
			if err := config.Load(&cfg, list, nil); err != nil {
				t.Error(err)
			} else if _, err := newFirstStage(cfg, Run{}); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		cfg := DefaultDiffusion()
		if err := config.Load(&cfg, list, nil); err != nil {
			t.Error(err)
			continue
		}
		s := &secondStage{cfg: cfg, target: cfg.Model}
		if err := s.takeModelKeys(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := s.cfg.validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
