package train

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/picture"
)

// shapes writes pictures of three proportions with captions.
func shapes(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	var captions strings.Builder
	for i := range 6 {
		img := image.NewRGBA(image.Rect(0, 0, 16+8*(i%3), 24))
		for p := range len(img.Pix) / 4 {
			img.SetRGBA(p%img.Rect.Dx(), p/img.Rect.Dx(), color.RGBA{byte(40 * i), byte(7 * p), byte(p), 255})
		}
		if err := picture.Save(filepath.Join(folder, fmt.Sprintf("%d.png", i)), img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&captions, "{\"file_name\":\"%d.png\",\"text\":\"picture %d\"}\n", i, i)
	}
	os.WriteFile(filepath.Join(folder, "metadata.jsonl"), []byte(captions.String()), 0o666)
	return folder
}

// TestBuckets: pictures keep their proportions, a resumed run has the same bits, and
// one without buckets is another.
func TestBuckets(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := shapes(t), t.TempDir()
	stage := filepath.Join(runs, "ae")
	if err := trainAutoencoder(t, folder, stage, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	with := func(run string, more ...string) error {
		return trainDiffusion(t, run, append([]string{"first_stage=" + filepath.Join(stage, ModelFile), "data.train=" + folder, "model.params.scale_by_std=true"}, more...)...)
	}
	whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
	for _, call := range []struct{ run, steps string }{{whole, "5"}, {halves, "2"}, {halves, "5"}} {
		if err := with(call.run, "buckets=2", "train.steps="+call.steps); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
	wantRefused(t, "a run that goes on without buckets", with(whole, "train.steps=6"), "3 shapes")
	wantRefused(t, "too wide", with(filepath.Join(runs, "wide"), "buckets=99"), "up to 16")
	wantRefused(t, "crops", with(filepath.Join(runs, "crops"), "buckets=2", "data.crop=random"), "data.crop is random")
}

// TestBucketsOfFirstStages: a first stage with a discriminator and a codebook trains on
// shapes by turns, a resumed run has the same bits, and one without buckets is another.
func TestBucketsOfFirstStages(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several times")
	}
	folder, runs := shapes(t), t.TempDir()
	whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
	with := func(run string, more ...string) error {
		return trainAutoencoder(t, folder, run, append([]string{
			"model.target=ldm.models.autoencoder.VQModel", "model.params.n_embed=16", "model.params.ddconfig.double_z=false",
			"loss.discriminator={weight: 1, channels: 8, layers: 1, actnorm: true, start: 1}", "codebook.restart_every=2",
			"data.validation=" + folder, "train.validate_every=2", "train.accumulate=2",
		}, more...)...)
	}
	for _, call := range []struct{ run, steps string }{{whole, "5"}, {halves, "2"}, {halves, "5"}} {
		if err := with(call.run, "buckets=2", "train.steps="+call.steps); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
	wantRefused(t, "a run that goes on without buckets", with(whole, "train.steps=6"), "3 shapes")
	wantRefused(t, "too wide", with(filepath.Join(runs, "wide"), "buckets=99"), "up to 16")
	wantRefused(t, "crops", with(filepath.Join(runs, "crops"), "buckets=2", "data.crop=random"), "data.crop is random")
	wantRefused(t, "too flat", with(filepath.Join(runs, "flat"), "buckets=2", "data.size=18", "loss.perceptual=1", "loss.discriminator={weight: 0}"), "with sides of")
}
