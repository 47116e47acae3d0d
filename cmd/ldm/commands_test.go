package main

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"github.com/ldm-go/ldm/data/fetch"
	"github.com/ldm-go/ldm/picture"
)

// disc is a picture of a disc.
func disc(size int, c color.Color) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range size {
		for x := range size {
			if dx, dy := 2*x-size, 2*y-size; dx*dx+dy*dy < size*size/2 {
				img.Set(x, y, c)
			}
		}
	}
	return img
}

// classes is a folder with a folder of pictures for each of two classes.
func classes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for class, c := range map[string]color.Color{"blue": color.RGBA{0, 0, 255, 255}, "red": color.RGBA{255, 0, 0, 255}} {
		if err := os.Mkdir(filepath.Join(dir, class), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if err := picture.Save(filepath.Join(dir, class, fmt.Sprint(i, ".png")), disc(32+i, c), picture.Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestTrainAndUse goes the whole way with the configurations of the repository:
// a first stage and a model of classes are trained for two steps each, and the
// other commands use them.
func TestTrainAndUse(t *testing.T) {
	pictures, runs := classes(t), t.TempDir()
	stage, model := filepath.Join(runs, "ae"), filepath.Join(runs, "classes")
	small := []string{"data.train=" + pictures, "data.size=32", "train.steps=2", "train.batch_size=2"}
	printed(t, append([]string{"train", "autoencoder", "-c", "../../configs/emoji-autoencoder.yaml", "-o", stage, "data.validation=" + pictures}, small...)...)
	printed(t, append([]string{"train", "diffusion", "-c", "../../configs/classes-diffusion.yaml", "-o", model,
		"first_stage=" + filepath.Join(stage, "model.safetensors"), "model.params.image_size=8"}, small...)...)
	for _, file := range []string{"config.yaml", "log.txt", "checkpoint.safetensors", "model.safetensors"} {
		for _, run := range []string{stage, model} {
			if _, err := os.Stat(filepath.Join(run, file)); err != nil {
				t.Error(err)
			}
		}
	}
	file := filepath.Join(model, "model.safetensors")
	if text := printed(t, "info", file); !strings.Contains(text, "ClassEmbedder") || !strings.Contains(text, "2: blue, red\n") {
		t.Errorf("info of the trained model prints\n%s", text)
	}
	grid := filepath.Join(runs, "grid.png")
	printed(t, "sample", "-m", file, "--class", "1", "-n", "2", "--steps", "2", "--seed", "1", "-o", grid)
	if img, err := picture.Decode(grid); err != nil || img.Bounds().Dx() != 65 || img.Bounds().Dy() != 32 {
		t.Errorf("the grid: %v", err)
	}
	text := printed(t, "reconstruct", filepath.Join(pictures, "red"), "--size", "32", "-m", filepath.Join(stage, "model.safetensors"))
	if !strings.Contains(text, "4 pictures") {
		t.Errorf("reconstruct prints\n%s", text)
	}
}

// TestEvaluateCaptions ranks a sample of the model in the box among pictures.
func TestEvaluateCaptions(t *testing.T) {
	dir := t.TempDir()
	lines := ""
	for name, c := range map[string]color.Color{"red": color.RGBA{255, 0, 0, 255}, "blue": color.RGBA{0, 0, 255, 255}} {
		if err := picture.Save(filepath.Join(dir, name+".png"), disc(64, c), picture.Options{}); err != nil {
			t.Fatal(err)
		}
		lines += fmt.Sprintf(`{"file_name": "%s.png", "text": "a %s circle"}`+"\n", name, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "metadata.jsonl"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ldmCommand("evaluate", "captions", dir, "--steps", "2"); err != nil {
		t.Error(err)
	}
}

// TestBench times the smallest work, and prints plans.
func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	if text := printed(t, "bench", "ae_train", "--pixels", "32", "--batch", "1", "--runs", "1"); !strings.Contains(text, "ae_train") {
		t.Errorf("bench prints\n%s", text)
	}
	if text := printed(t, "bench", "sd_unet", "--plan", "--pixels", "64", "--batch", "1"); !strings.Contains(text, "Conv2D") {
		t.Errorf("bench --plan prints\n%s", text)
	}
	for want, args := range map[string][]string{
		"goes with whole tasks alone":   {"bench", "dec", "--steps", "3"},
		"not with whole tasks":          {"bench", "txt2img", "--plan"},
		"--deep-cache 1: want":          {"bench", "txt2img", "--deep-cache", "1"},
		"no work is called \"txt3img\"": {"bench", "txt3img"},
	} {
		if err := ldmCommand(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ldm %v: %v, want %q", args, err, want)
		}
	}
}

// TestDataEmoji: what npm delivers is checked before anything is made of it.
func TestDataEmoji(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the npm of this test is a shell script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\necho text > x.tgz\necho x.tgz\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(fetch.CacheEnv, filepath.Join(dir, "cache"))
	out := filepath.Join(dir, "emoji")
	if err := ldmCommand("data", "emoji", out); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a package of another content: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a folder is left behind")
	}
	if err := ldmCommand("data", "emoji", out, "--size", "0"); err == nil {
		t.Error("pictures of no pixels are made")
	}
}

// TestDataClothing prepares photographs from a folder, and checks them.
func TestDataClothing(t *testing.T) {
	from, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for _, name := range []string{"train/hat/a.png", "validation/hat/b.png", "test/hat/c.png"} {
		if err := picture.Save(filepath.Join(from, name), disc(64, color.Black), picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	printed(t, "data", "clothing", out, "--from", from, "--size", "32")
	text := printed(t, "data", "check", out)
	for _, want := range []string{"Split validation", "32x32", "hat 1", "several splits: 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := printed(t, "data", "check", out, "--json", "--headers"); !strings.Contains(text, `"Pictures": 1`) {
		t.Errorf("as JSON\n%s", text)
	}
}
