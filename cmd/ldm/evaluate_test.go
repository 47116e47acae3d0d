package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/picture"
)

// discs is a folder of pictures of discs of one colour.
func discs(t *testing.T, n int, c color.RGBA) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		c.R += uint8(9 * i)
		if err := picture.Save(filepath.Join(dir, fmt.Sprint(i, ".png")), disc(40+i, c), picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// failing runs a command that ends with an error, and gives what it printed.
func failing(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(context.Background())
	if err == nil {
		t.Errorf("%v ends well", args)
	}
	return out.String(), err
}

// spoil adds a picture that is cut off.
func spoil(t *testing.T, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "0.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spoilt.png"), raw[:len(raw)/2], 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEvaluateSets(t *testing.T) {
	if testing.Short() {
		t.Skip("reads many pictures")
	}
	red, blue := discs(t, 7, color.RGBA{0, 0, 0, 255}), discs(t, 7, color.RGBA{0, 0, 200, 255})
	npz := filepath.Join(t.TempDir(), "red.npz")
	text := printed(t, "evaluate", "sets", red, blue, "--save-statistics", npz)
	for _, want := range []string{"features\tSqueezeNet", "224x224", "7 pictures", "FID-SqueezeNet\t", "KID-SqueezeNet\t", "coverage-SqueezeNet\t", "neighbours: 5"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text = printed(t, "evaluate", "sets", npz, red, "--json")
	var c comparison
	if err := json.Unmarshal([]byte(text), &c); err != nil || len(c.Figures) != 1 || c.Figures[0].Name != "FID-SqueezeNet" || c.Figures[0].Value > 1e-6 {
		t.Errorf("against its own statistics: %v\n%s", err, text)
	}
	other := filepath.Join(t.TempDir(), "x.npz")
	if text := printed(t, "evaluate", "statistics", red, "-o", other); !strings.Contains(text, "7 pictures") {
		t.Error(text)
	}
	spoil(t, blue)
	text, err := failing(t, "evaluate", "sets", red, blue)
	if !strings.Contains(text, "FID-SqueezeNet") || !strings.Contains(err.Error(), "1 of 15 pictures failed") || !strings.Contains(err.Error(), "spoilt.png") {
		t.Errorf("with a broken picture: %v\n%s", err, text)
	}
}

func TestEvaluatePairs(t *testing.T) {
	a, b := discs(t, 3, color.RGBA{200, 0, 0, 255}), discs(t, 3, color.RGBA{190, 0, 0, 255})
	if text := printed(t, "evaluate", "pairs", a, b); !strings.Contains(text, "3 pairs\tPSNR ") || !strings.Contains(text, "LPIPS (squeeze)") {
		t.Error(text)
	}
	if err := os.Rename(filepath.Join(b, "2.png"), filepath.Join(b, "other.png")); err != nil {
		t.Fatal(err)
	}
	text, err := failing(t, "evaluate", "pairs", a, b)
	if !strings.Contains(text, "2 pairs\t") || !strings.Contains(err.Error(), "2 of 4 pictures failed") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestEvaluateNearest(t *testing.T) {
	dir := discs(t, 5, color.RGBA{200, 0, 0, 255})
	out := filepath.Join(t.TempDir(), "near.png")
	text := printed(t, "evaluate", "nearest", dir, filepath.Join(dir, "3.png"), "--nearest", "2", "-o", out)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "3.png\t0") {
		t.Errorf("nearest to itself:\n%s", text)
	}
	if img, err := picture.Decode(out); err != nil || img.Bounds().Dx() != 3*thumbnail+2 {
		t.Errorf("%v, %v", img.Bounds(), err)
	}
}

func TestEvaluateModel(t *testing.T) {
	dir := t.TempDir()
	lines := ""
	for i := range 3 {
		if err := picture.Save(filepath.Join(dir, fmt.Sprint(i, ".png")), disc(64, color.RGBA{255, 0, 0, 255}), picture.Options{}); err != nil {
			t.Fatal(err)
		}
		lines += fmt.Sprintf(`{"file_name": "%d.png", "text": "a red circle"}`+"\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "metadata.jsonl"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	samples := t.TempDir()
	text := printed(t, "evaluate", "model", dir, "--count", "2", "--steps", "2", "--neighbours", "1", "-o", samples)
	if !strings.Contains(text, "samples of the model: 2 pictures") || !strings.Contains(text, "recall-SqueezeNet") {
		t.Error(text)
	}
	checkLeft(t, samples, "00000.png", "00001.png")
}

// TestSquares: the pictures of a set are measured as they are.
func TestSquares(t *testing.T) {
	set, err := data.OpenSet(discs(t, 2, color.RGBA{250, 0, 0, 255}), data.Options{Size: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	img, err := squaresOf(set)(context.Background(), 0)
	if err != nil || img.Rect != image.Rect(0, 0, 32, 32) || img.RGBAAt(16, 16) != (color.RGBA{250, 0, 0, 255}) {
		t.Errorf("%v, %v, %v", img.Rect, img.RGBAAt(16, 16), err)
	}
}

// TestEvaluateRefuses what cannot be meant, before anything is loaded.
func TestEvaluateRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"sets", "a", "b", "--count", "-1"}, {"sets", "a", "b", "--filter", "clean"}, {"model", "a", "--count", "-1"}, {"model", "a", "--steps", "0"},
		{"captions", "a", "--count", "-1"}, {"captions", "a", "--nearest", "0"}, {"nearest", "a", "b", "--nearest", "-2"}, {"pairs", "a", "b", "-t", "-1"},
		{"statistics", "a", "-o", "x.txt"}, {"pairs", ".", ".", "--lpips", "vgg"}, {"pairs", ".", ".", "--lpips", "x"},
	} {
		if _, err := failing(t, append([]string{"evaluate"}, args...)...); err != nil && !strings.Contains(err.Error(), "want") && !strings.Contains(err.Error(), "no pictures") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestReconstructGoesOn: a broken picture ends neither the others nor their means.
func TestReconstructGoesOn(t *testing.T) {
	dir := discs(t, 2, color.RGBA{200, 0, 0, 255})
	spoil(t, dir)
	text, err := failing(t, "reconstruct", dir, "--size", "32")
	if !strings.Contains(text, "2 pictures\tPSNR") || !strings.Contains(err.Error(), "1 of 3 pictures failed") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := failing(t, "reconstruct", dir, "--size", "-8"); !strings.Contains(err.Error(), "--size -8") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cmd := root()
	cmd.SetArgs([]string{"reconstruct", dir, "--size", "32"})
	if err := cmd.ExecuteContext(ctx); err == nil || err.Error() != context.Canceled.Error() {
		t.Errorf("cancelled: %v", err)
	}
}
