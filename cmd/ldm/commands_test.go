package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"github.com/ldm-go/ldm/data"
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
			if err := data.SavePNG(filepath.Join(dir, class, fmt.Sprint(i, ".png")), disc(32+i, c)); err != nil {
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
	if text := printed(t, "info", file); !strings.Contains(text, "ClassEmbedder") {
		t.Errorf("info of the trained model prints\n%s", text)
	}
	grid := filepath.Join(runs, "grid.png")
	printed(t, "sample", "-m", file, "--class", "1", "-n", "2", "--steps", "2", "--seed", "1", "-o", grid)
	if img, err := data.Decode(grid); err != nil || img.Bounds().Dx() != 65 || img.Bounds().Dy() != 32 {
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
		if err := data.SavePNG(filepath.Join(dir, name+".png"), disc(64, c)); err != nil {
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
	if text := printed(t, "bench", "ae_train", "--pixels", "32", "--batch", "1", "--runs", "1"); !strings.Contains(text, "ae_train") {
		t.Errorf("bench prints\n%s", text)
	}
	if text := printed(t, "bench", "sd_unet", "--plan", "--pixels", "64", "--batch", "1"); !strings.Contains(text, "Conv2D") {
		t.Errorf("bench --plan prints\n%s", text)
	}
}

// TestDataEmoji prepares a set of two emoji from an npm that is a script.
func TestDataEmoji(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the npm of this test is a shell script")
	}
	dir := t.TempDir()
	picture := filepath.Join(dir, "x.png")
	if err := data.SavePNG(picture, disc(64, color.Black)); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	pack(t, filepath.Join(dir, "pictures.tgz"), map[string]string{"package/assets/1f34e.webp": string(raw), "package/assets/2764.webp": string(raw)})
	pack(t, filepath.Join(dir, "names.tgz"), map[string]string{"package/en/data.json": `[{"label":"red apple","hexcode":"1F34E","group":4},{"label":"red heart","hexcode":"2764","group":8}]`})
	script := "#!/bin/sh\ncase \"$3\" in *fluent*) name=pictures ;; *) name=names ;; esac\ncp " + dir + "/$name.tgz .\necho $name.tgz\n"
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out := filepath.Join(dir, "emoji")
	printed(t, "data", "emoji", out, "--size", "32", "--validation", "0")
	set, err := data.Open(filepath.Join(out, "train"), 32)
	if err != nil || set.Len() != 2 {
		t.Fatalf("%v, %v", set, err)
	}
}

// pack writes an npm package.
func pack(t *testing.T, path string, files map[string]string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
