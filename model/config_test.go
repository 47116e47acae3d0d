package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
)

// reference is the folder of the reference's configurations and keys.
func reference(t *testing.T) string {
	dir := filepath.Join(golden.Folder(t), "..", "reference")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no reference configurations: %v", err)
	}
	return dir
}

// TestReferenceKeys: every configuration loads as it is and gives exactly the
// keys and shapes of its checkpoint.
func TestReferenceKeys(t *testing.T) {
	dir := reference(t)
	for _, list := range []string{"keys_ldm.json", "keys_ae.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, list))
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]map[string][]int
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		for path, want := range all {
			t.Run(path, func(t *testing.T) {
				if !strings.HasPrefix(path, "configs/") {
					path = "configs/" + path
				}
				target, err := model.ReadConfig(filepath.Join(dir, path))
				if err != nil {
					t.Fatal(err)
				}
				compareKeys(t, keysOf(t, target), want)
			})
		}
	}
}

func keysOf(t *testing.T, target config.Target) map[string]tensor.Shape {
	t.Helper()
	if target.Target != config.TargetLatentDiffusion {
		cfg, err := model.DecodeStage(target)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := model.StageStateDict(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	net, err := model.New(target)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := net.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func compareKeys(t *testing.T, got map[string]tensor.Shape, want map[string][]int) {
	t.Helper()
	for name, shape := range want {
		have, ok := got[name]
		if !ok {
			t.Errorf("missing %s %v", name, shape)
		} else if !have.Equal(shape) {
			t.Errorf("%s is %v, want %v", name, have, shape)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is too much", name)
		}
	}
}

// TestEveryConfig: no YAML of the reference is refused.
func TestEveryConfig(t *testing.T) {
	err := filepath.WalkDir(filepath.Join(reference(t), "configs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		target, err := model.ReadConfig(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		keysOf(t, target)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnknownTarget: the error lists what is known.
func TestUnknownTarget(t *testing.T) {
	for _, yaml := range []string{
		"model: {target: ldm.models.diffusion.Other}",
		"model: {target: ldm.models.diffusion.ddpm.LatentDiffusion, params: {first_stage_config: {target: no.Stage}}}",
	} {
		target, err := model.ParseConfig("test.yaml", []byte(yaml))
		if err == nil {
			_, err = model.ParamsOf(target)
		}
		if err == nil || !strings.Contains(err.Error(), "ldm.models.autoencoder.AutoencoderKL") {
			t.Errorf("%s: error %v", yaml, err)
		}
	}
}
