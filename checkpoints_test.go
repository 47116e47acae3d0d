package ldm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// TestCheckpoints loads real .ckpt files and compares what the models in them
// compute with the reference.
func TestCheckpoints(t *testing.T) {
	for _, c := range golden.Cases(t, "checkpoints") {
		t.Run(c.Base(), func(t *testing.T) {
			var m struct {
				File string `json:"file"`
			}
			if err := json.Unmarshal(c.Raw, &m); err != nil {
				t.Fatal(err)
			}
			yaml := filepath.Join(t.TempDir(), "model.yaml")
			if err := os.WriteFile(yaml, []byte(c.Config), 0o644); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasSuffix(c.Module, ".LatentDiffusion"):
				checkModelFile(t, c, c.Path(t, m.File), yaml)
			case strings.HasSuffix(c.Module, ".AutoencoderKL"):
				checkStageFile(t, c, c.Path(t, m.File), yaml)
			case c.Module != "":
				t.Errorf("%s is not supported", c.Module)
			} // the others are no models: their tensors are compared where the file is read
		})
	}
}

func checkModelFile(t *testing.T, c *golden.Case, path, yaml string) {
	for output, weights := range map[string]modelfile.Weights{"eps": modelfile.WeightsRaw, "eps_ema": modelfile.WeightsEMA} {
		if !c.Has(output) {
			continue
		}
		m, err := Open(path, Options{Engine: cpu.New(cpu.Options{}), File: modelfile.Options{Config: yaml, Weights: weights}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var cond *tensor.Tensor
		if c.Has("c") {
			if cond, err = m.encodeIDs(t.Context(), "tokens", c.Input(t, "tokens"), 0); err != nil {
				t.Fatal(err)
			}
			compare(t, c, "c", cond, golden.Forward)
		}
		comparePredictions(t, c, m, output, cond)
		z, err := m.decode(t.Context(), c.Input(t, "z").ToNHWC())
		if err != nil {
			t.Fatal(err)
		}
		compare(t, c, "decode_first_stage", z, golden.Forward)
	}
}

// comparePredictions runs the denoiser on one picture after the other, as each
// has a timestep of its own.
func comparePredictions(t *testing.T, c *golden.Case, m *Model, output string, cond *tensor.Tensor) {
	t.Helper()
	x, want := c.Input(t, "x").ToNHWC(), c.Output(t, output).ToNHWC()
	for i, step := range c.Input(t, "t").I32 {
		var condition Encoding
		if cond != nil {
			condition.Context = cond.Row(i)
		}
		one := tensor.Of(x.Row(i).F32, append([]int{1}, x.Shape[1:]...)...)
		y, err := m.Predict(t.Context(), one, float64(step), []Encoding{condition})
		if err != nil {
			t.Fatal(err)
		}
		if e := golden.RelErr(y.F32, want.Row(i).F32); !(e < golden.Forward) {
			t.Errorf("%s of picture %d: error %g", output, i, e)
		}
	}
}

func checkStageFile(t *testing.T, c *golden.Case, path, yaml string) {
	stage, err := OpenFirstStage(path, Options{File: modelfile.Options{Config: yaml}})
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	moments, err := stage.Moments(t.Context(), c.Input(t, "x").ToNHWC())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c, "moments", moments, golden.Forward)
	y, err := stage.Decode(t.Context(), c.Input(t, "z").ToNHWC())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c, "decode_z", y, golden.Forward)
}

// TestBadFiles: every broken or hostile file is refused in one line that names it.
func TestBadFiles(t *testing.T) {
	for _, path := range golden.Files(t, "bad/*.[cs]*") {
		name := filepath.Base(path)
		s, err := modelfile.Open(path, modelfile.Options{})
		if err == nil {
			s.Close()
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %q", name, err)
		}
	}
	if _, err := os.Stat("/tmp/pwned"); err == nil {
		t.Error("a file was executed")
	}
}
