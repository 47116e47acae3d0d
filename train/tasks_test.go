package train

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// tensorsOf reads a file.
func tensorsOf(t *testing.T, path string) map[string]*tensor.Tensor {
	t.Helper()
	f, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]*tensor.Tensor{}
	for _, name := range f.Names() {
		if all[name], err = f.Read(name); err != nil {
			t.Fatal(err)
		}
		all[name] = all[name].Clone()
	}
	return all
}

// pairs writes pictures with label maps, pictures before a change, captions and boxes.
func pairs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	save := func(name string, img image.Image) {
		if err := picture.Save(filepath.Join(dir, name), img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var images, notes []map[string]any
	var captions strings.Builder
	for i := range 4 {
		img, labels := image.NewRGBA(image.Rect(0, 0, 16, 16)), image.NewGray(image.Rect(0, 0, 16, 16))
		for y := range 16 {
			for x := range 16 {
				label := byte(0)
				if x >= 4*i && x < 4*i+6 {
					label = byte(1 + i%2)
				}
				labels.SetGray(x, y, color.Gray{Y: label})
				img.SetRGBA(x, y, color.RGBA{80 * label, byte(10 * y), byte(40 * i), 255})
			}
		}
		name := fmt.Sprintf("%d.png", i)
		save("images/"+name, img)
		save("labels/"+name, labels)
		save("input/"+name, labels)
		images = append(images, map[string]any{"id": i, "file_name": "images/" + name, "width": 16, "height": 16})
		notes = append(notes, map[string]any{"image_id": i, "category_id": 7 + i%2, "bbox": []float64{float64(4 * i), 0, 6, 16}})
		fmt.Fprintf(&captions, `{"file_name":"%s","text":"stripe %d"}`+"\n", name, i)
	}
	raw, _ := json.Marshal(map[string]any{"images": images, "annotations": notes, "categories": []map[string]any{{"id": 7, "name": "red"}, {"id": 8, "name": "pink"}}})
	os.WriteFile(filepath.Join(dir, "instances.json"), raw, 0o666)
	os.WriteFile(filepath.Join(dir, "images", "metadata.jsonl"), []byte(captions.String()), 0o666)
	return dir
}

// TestTasks: every task of the paper trains, draws, resumes to the same bits, and
// its model's file generates.
func TestTasks(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := pairs(t), t.TempDir()
	stages := map[string]string{}
	for kind, train := range map[string]func(*testing.T, string, string, ...string) error{
		"KL": func(t *testing.T, folder, run string, o ...string) error {
			return trainAutoencoder(t, folder, run, o...)
		}, "VQ": trainVQ,
	} {
		run := filepath.Join(runs, kind)
		if err := train(t, folder, run, "train.steps=1", "data.validation="); err != nil {
			t.Fatal(err)
		}
		stages[kind] = filepath.Join(run, ModelFile)
	}
	const unet = "model.params.unet_config.params."
	const none, noContext = unet + "use_spatial_transformer=false", unet + "context_dim=0"
	for _, c := range []struct {
		name, stage string
		more        []string
	}{
		{"unconditional", "VQ", []string{"model.params.cond_stage_config=__is_unconditional__", none, noContext}},
		{"v, Huber, accumulated", "KL", []string{"model.params.parameterization=v", "model.params.loss_type=huber", "model.params.rescale_betas_zero_snr=true", "min_snr_gamma=5", "noise_offset=0.1", "train.accumulate=2"}},
		{"x0, log-variances, bound", "KL", []string{"model.params.parameterization=x0", "model.params.learn_logvar=true", "model.params.original_elbo_weight=0.1"}},
		{"frozen text", "VQ", []string{"model.params.cond_stage_trainable=false"}},
		{"random crops, bfloat16", "KL", []string{"data.crop=random", "train.precision=bf16"}},
		{"few random crops", "KL", []string{"data.crop=random", "data.zoom=2", "data.crops=2"}},
		{"super-resolution", "KL", []string{"model.params.cond_stage_config={target: torch.nn.Identity}", "model.params.conditioning_key=concat", none, noContext, unet + "in_channels=5"}},
		{"super-resolution, BSR", "VQ", []string{"degradation=bsr-light", "model.params.cond_stage_config={target: torch.nn.Identity}", "model.params.conditioning_key=concat", none, noContext, unet + "in_channels=5"}},
		{"inpainting", "VQ", []string{"model.params.cond_stage_config=__is_first_stage__", "model.params.conditioning_key=concat", none, noContext, unet + "in_channels=5"}},
		{"semantic", "KL", []string{"model.params.cond_stage_config={target: ldm.modules.encoders.modules.SpatialRescaler, params: {n_stages: 1, in_channels: 3, out_channels: 3}}", "model.params.conditioning_key=concat", none, noContext, unet + "in_channels=5"}},
		{"layout", "VQ", []string{"model.params.cond_stage_key=coordinates_bbox", "model.params.cond_stage_config.params={n_embed: 16, n_layer: 1, vocab_size: 400, max_seq_len: 8, heads: 2, dim_head: 8, use_tokenizer: false}"}},
		{"hybrid inpainting", "KL", []string{"model.params.conditioning_key=hybrid", unet + "in_channels=5"}},
		{"hybrid edit, frozen text", "KL", []string{"model.params.conditioning_key=hybrid", unet + "in_channels=4", "model.params.cond_stage_trainable=false"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			whole, halves := filepath.Join(dir, "whole"), filepath.Join(dir, "halves")
			for _, call := range []struct{ run, steps string }{{whole, "3"}, {halves, "1"}, {halves, "3"}} {
				err := trainDiffusion(t, call.run, append([]string{"first_stage=" + stages[c.stage], "data.train=" + folder, "data.validation=" + folder,
					"train.steps=" + call.steps, "train.validate_every=3", "train.sample_every=3"}, c.more...)...)
				if err != nil {
					t.Fatal(err)
				}
			}
			sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
			if _, err := os.Stat(filepath.Join(whole, PictureFolder, "step-000003.png")); err != nil {
				t.Error(err)
			}
			m, err := ldm.Open(filepath.Join(whole, ModelFile), ldm.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := m.Network().FirstStage.Kind.String(), c.stage; got != want {
				t.Errorf("a %s first stage is written as %s", want, got)
			}
			m.Close()
			if c.name != "x0, log-variances, bound" {
				return
			}
			made := tensorsOf(t, filepath.Join(whole, ModelFile))["logvar"]
			if made == nil || len(made.F32) != 1000 {
				t.Fatalf("the model's file has log-variances %v", made)
			}
			further := filepath.Join(dir, "further")
			err = trainDiffusion(t, further, append([]string{"first_stage=" + stages[c.stage], "init=" + filepath.Join(whole, ModelFile), "data.train=" + folder,
				"train.steps=1", "train.learning_rate=1e-12", "train.weight_decay=0"}, c.more...)...)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range tensorsOf(t, filepath.Join(further, CheckpointFile))["logvar"].F32 {
				if math.Abs(float64(v-made.F32[i])) > 1e-9 {
					t.Fatalf("log-variance %d begins with %g, and was %g", i, v, made.F32[i])
				}
			}
		})
	}
}
