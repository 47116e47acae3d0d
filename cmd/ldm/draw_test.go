package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
)

// quick are the arguments of a run that takes a moment.
func quick(args ...string) []string { return append(args, "--steps", "2", "--cfg-scale", "1") }

// pixelsOf are those of a picture's file.
func pixelsOf(t *testing.T, path string) []byte {
	t.Helper()
	img, err := picture.Decode(path)
	if err != nil {
		t.Fatal(err)
	}
	return img.Pix
}

// TestNames: a pattern makes a file for each picture and goes on counting; nothing
// is overwritten unless told.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	pattern := filepath.Join(dir, "out", "%03d-%seed.png")
	for range 2 {
		printed(t, quick("txt2img", "a red heart", "-n", "2", "--seed", "5", "-o", pattern)...)
	}
	checkLeft(t, filepath.Join(dir, "out"), "000-5.png", "001-6.png", "002-5.png", "003-6.png")
	if !bytes.Equal(pixelsOf(t, filepath.Join(dir, "out", "001-6.png")), pixelsOf(t, filepath.Join(dir, "out", "003-6.png"))) {
		t.Error("the same seed gives two pictures")
	}
	for _, want := range []string{"output.png", "output-1.png"} {
		if text := printed(t, quick("txt2img", "a red heart")...); !strings.HasPrefix(text, want+" (seed ") {
			t.Errorf("%q, want %s", text, want)
		}
	}
	if err := ldmCommand(quick("txt2img", "a red heart", "-o", "output.png")...); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("an existing file: %v", err)
	}
	printed(t, quick("txt2img", "a red heart", "-o", "output.png", "--force")...)
	checkLeft(t, dir, "out", "output-1.png", "output.png")
}

// TestStudent: the student in the program is a model and a LoRA by name, with settings of
// its own, which its pictures carry; on another model it is refused.
func TestStudent(t *testing.T) {
	if testing.Short() {
		t.Skip("draws with two models")
	}
	dir := t.TempDir()
	first, again := filepath.Join(dir, "first.png"), filepath.Join(dir, "again.png")
	printed(t, "txt2img", "a cat face", "--seed", "9", "-m", "emoji-lcm", "-o", first)
	printed(t, "txt2img", "--from-image", first, "-o", again)
	if !bytes.Equal(pixelsOf(t, first), pixelsOf(t, again)) {
		t.Error("the picture is not repeated")
	}
	s, err := metadata.Read(first)
	if err != nil || s.Steps != 4 || s.Sampler != "LCM" || s.Model != "emoji-lcm" {
		t.Errorf("%+v, %v", s, err)
	}
	small := filepath.Join(dir, "small.safetensors")
	if err := saveSmall(small); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"a cat", "--lora", "emoji-lcm:0.9"}, {"a cat <lora:emoji-lcm:1>"}} {
		args = append([]string{"txt2img", "-m", small, "-o", filepath.Join(dir, "x.png")}, args...)
		if err := ldmCommand(args...); err == nil || !strings.Contains(err.Error(), "was made of another model") {
			t.Errorf("ldm %v: %v, want a refusal", args, err)
		}
	}
	printed(t, "txt2img", "a cat face", "-m", "emoji", "--steps", "1", "-o", filepath.Join(dir, "box.png"))
}

// TestFromImage: a picture has what it takes to make it again, pixel for pixel.
func TestFromImage(t *testing.T) {
	dir := t.TempDir()
	first, again, plain := filepath.Join(dir, "first.png"), filepath.Join(dir, "again.png"), filepath.Join(dir, "plain.png")
	printed(t, "txt2img", "a cat face", "--seed", "9", "--steps", "3", "--sampler", "Euler a Karras", "--rng", "torch-cpu", "--cfg-scale", "3",
		"--negative-prompt", "a dog, two: three", "--cfg-rescale", "0.5", "--cfg-interval", "0.1,0.9", "-o", first)
	printed(t, "txt2img", "--from-image", first, "-o", again)
	if !bytes.Equal(pixelsOf(t, first), pixelsOf(t, again)) {
		t.Error("the picture is not repeated")
	}
	s, err := metadata.Read(first)
	if err != nil || s.Prompt != "a cat face" || s.Negative != "a dog, two: three" || s.Sampler != "Euler a" || s.Schedule != "Karras" || *s.Seed != 9 || s.Model != boxName || len(s.Hash) != 10 {
		t.Errorf("%+v, %v", s, err)
	}
	printed(t, "txt2img", "a cat face", "--steps", "1", "--no-metadata", "-o", plain)
	if s, err := metadata.Read(plain); err != nil || s.Program != "" {
		t.Errorf("--no-metadata: %+v, %v", s, err)
	}
	for want, args := range map[string][]string{
		"does not say how":                 {"txt2img", "--from-image", plain, "-o", filepath.Join(dir, "x.png")},
		"want ldm txt2img --from-image":    {"sample", "--from-image", first, "-o", filepath.Join(dir, "x.png")},
		"missing.png":                      {"txt2img", "--from-image", filepath.Join(dir, "missing.png"), "-o", filepath.Join(dir, "x.png")},
		"--preview auto: standard error":   {"txt2img", "x", "--preview", "auto", "-o", filepath.Join(dir, "x.png")},
		"pictures are not written as":      {"txt2img", "x", "--preview", "p.tga", "-o", filepath.Join(dir, "x.png")},
		"want %d or %04d":                  {"txt2img", "x", "-n", "2", "-o", filepath.Join(dir, "%d%q.png")},
		"want ldm, torch-cpu":              {"txt2img", "x", "--rng", "mt", "-o", filepath.Join(dir, "x.png")},
		"--cfg-interval 0.5":               {"txt2img", "x", "--cfg-interval", "0.5", "-o", filepath.Join(dir, "x.png")},
		"sampler \"bogus\"":                {"txt2img", "x", "--sampler", "bogus", "-o", filepath.Join(dir, "x.png")},
		"does not go with schedule Karras": {"txt2img", "x", "--sampler", "PLMS", "--scheduler", "karras", "-o", filepath.Join(dir, "x.png")},
		"no eta":                           {"txt2img", "x", "--sampler", "Euler", "--eta", "0.5", "-o", filepath.Join(dir, "x.png")},
		"beyond 18446744073709551615":      {"txt2img", "x", "-n", "2", "--seed", "18446744073709551615", "-o", filepath.Join(dir, "%d.png")},
	} {
		if err := ldmCommand(args...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ldm %v: %v, want one line with %q", args, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x.png")); err == nil {
		t.Error("a refused command wrote a file")
	}
}

// TestGridAgain: a grid says which settings vary, and is made again by that.
func TestGridAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("draws many pictures")
	}
	dir := t.TempDir()
	first, again := filepath.Join(dir, "grid.png"), filepath.Join(dir, "again.png")
	printed(t, "txt2img", "a cat face", "--seed", "9", "--steps", "2", "--grid", "cfg-scale=1,3", "sampler=DDIM|Euler a", "-o", first)
	printed(t, "txt2img", "--from-image", first, "-o", again)
	if !bytes.Equal(pixelsOf(t, first), pixelsOf(t, again)) {
		t.Error("the grid is not repeated")
	}
	s, err := metadata.Read(first)
	if err != nil || s.Program != "ldm" || s.Prompt != "a cat face" || *s.Seed != 9 || s.Steps != 2 || !strings.Contains(string(s.Own), "cfg-scale=1,3") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSavings: the flags that buy speed have their effect, and what is no share or interval
// is refused.
func TestSavings(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.png")
	base := []string{"txt2img", "a cat face", "--seed", "9", "--steps", "4", "-o"}
	printed(t, append(base, whole)...)
	for i, args := range [][]string{{"--token-merging", "0.5"}, {"--deep-cache", "2"}, {"--deep-cache", "2,3"}, {"--adaptive-guidance", "0.9"}} {
		path := filepath.Join(dir, fmt.Sprintf("%d.png", i))
		printed(t, append(append(slices.Clone(base), path), args...)...)
		if bytes.Equal(pixelsOf(t, whole), pixelsOf(t, path)) {
			t.Errorf("%v has no effect", args)
		}
	}
	for want, args := range map[string][]string{
		"from 0 to 0.75":      {"--token-merging", "0.8"},
		"2 or more":           {"--deep-cache", "1"},
		"--deep-cache 3,x":    {"--deep-cache", "3,x"},
		"want 1 to ":          {"--deep-cache", "3,9"},
		"above 0, at most 1":  {"--adaptive-guidance", "1.2"},
		"without guidance by": {"--adaptive-guidance", "0.9", "--cfg-scale", "1"},
	} {
		if err := ldmCommand(append(append(slices.Clone(base), filepath.Join(dir, "x.png")), args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// TestFit: a size that is not legal is made and cut.
func TestFit(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.png")
	preview := filepath.Join(t.TempDir(), "preview.png")
	printed(t, quick("txt2img", "a red heart", "-W", "70", "-H", "50", "--fit", "-o", out, "--preview", preview)...)
	if w, h, err := picture.Size(out); w != 70 || h != 50 || err != nil {
		t.Errorf("%dx%d, %v", w, h, err)
	}
	if w, h, err := picture.Size(preview); w != 240 || h != 192 || err != nil {
		t.Errorf("a preview of %dx%d, %v", w, h, err)
	}
	if err := ldmCommand(quick("txt2img", "--from-image", out, "-o", out, "--force")...); err != nil {
		t.Error(err)
	}
	if w, h, err := picture.Size(out); w != 70 || h != 50 || err != nil {
		t.Errorf("repeated: %dx%d, %v", w, h, err)
	}
}
