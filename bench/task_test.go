package bench

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/engine"
)

// TestTask: a small model of a task is written, opened and timed, with what buys speed too,
// and its decoder alone.
func TestTask(t *testing.T) {
	const unet, stage = "model.params.unet_config.params.", "model.params.first_stage_config.params."
	small := []string{unet + "model_channels=32", unet + "num_res_blocks=1", unet + "channel_mult=[1, 2]", unet + "attention_resolutions=[2]",
		stage + "ddconfig.ch=32", stage + "ddconfig.num_res_blocks=1", stage + "n_embed=16"}
	task, ok := FindTask("upscale")
	if !ok {
		t.Fatal("there is no task upscale")
	}
	task.overrides = small
	path := filepath.Join(t.TempDir(), "small.safetensors")
	if err := task.WriteModel(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	opt := TaskOptions{Options: Options{Precision: engine.F32, Runs: 2, Shape: Shape{Pixels: 64, Batch: 1}}, Model: path, Steps: 3}
	for _, s := range []ldm.Savings{{}, {MergeTokens: .5, DeepCache: ldm.DeepCache{Interval: 2}}} {
		opt.Savings = s
		r, err := task.Measure(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		if r.Work != "upscale" || r.Runs != 2 || r.Median <= 0 || r.First <= 0 || r.Parameters < 1e5 || !(r.Outside > 0 && r.Outside < 1) {
			t.Errorf("%+v", r)
		}
		if again, err := Parse(r.String()); err != nil || again.Work != r.Work {
			t.Errorf("%s: %v", r, err)
		}
	}
	task.condition = nil
	r, err := task.Measure(t.Context(), opt)
	if err != nil || r.Median <= 0 || r.First <= 0 {
		t.Errorf("decoding: %+v, %v", r, err)
	}
	for _, task := range Tasks() {
		opt.Model = filepath.Join(t.TempDir(), "none.safetensors")
		if _, err := task.Measure(t.Context(), opt); err == nil || !strings.Contains(err.Error(), "none.safetensors") {
			t.Errorf("%s: %v", task.Name, err)
		}
	}
}
