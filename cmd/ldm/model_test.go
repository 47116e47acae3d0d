package main

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/picture"
)

// modelFile is the model in the box as a file in a new folder.
func modelFile(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../weights/emoji/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// printed is what a command prints as its result.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Fatalf("ldm %v: %v", args, err)
	}
	return out.String()
}

// checkLeft wants a folder to hold nothing but the named files.
func checkLeft(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	left, err := os.ReadDir(dir)
	for _, f := range left {
		got = append(got, f.Name())
	}
	if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q; error %v", dir, got, want, err)
	}
}

// TestInfo says what the model in the box is.
func TestInfo(t *testing.T) {
	text := printed(t, "info", modelFile(t))
	for _, want := range []string{
		"format         safetensors", "model          ldm.models.diffusion.ddpm.LatentDiffusion", "first stage    KL, f = 4, 4 latent channels",
		"BERTEmbedder (crossattn)", "schedule       linear, 0.0015 to 0.0195, 1000 steps, predicts eps", "trained at     64x64 pixels (latents of 16x16)",
		"tensors        model: ", "tensors        first_stage_model: ", "tensors        cond_stage_model: ", " M numbers, ", "averages       no",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestConvert: a converted model holds what it was made from, rounded.
func TestConvert(t *testing.T) {
	if testing.Short() {
		t.Skip("converts whole models")
	}
	path := modelFile(t)
	half, full := filepath.Join(filepath.Dir(path), "half.safetensors"), filepath.Join(filepath.Dir(path), "full.safetensors")
	printed(t, "convert", path, "-o", half, "--dtype", "f16")
	printed(t, "convert", half, "-o", full, "--dtype", "f32")
	checkLeft(t, filepath.Dir(path), "full.safetensors", "half.safetensors", "model.safetensors")
	small, err := os.Stat(half)
	if err != nil {
		t.Fatal(err)
	}
	large, err := os.Stat(full)
	if err != nil || large.Size() < small.Size()*19/10 {
		t.Errorf("%d bytes as f16, %d as f32; error %v", small.Size(), large.Size(), err)
	}
	if text := printed(t, "info", half); !strings.Contains(text, ", F16\n") || !strings.Contains(text, "0.0015 to 0.0195") {
		t.Errorf("info of the half precision file:\n%s", text)
	}
	var contexts [2][]float32
	for i, file := range []string{half, full} {
		m, err := ldm.Open(file, ldm.Options{Engine: cpu.New(cpu.Options{})})
		if err != nil {
			t.Fatal(err)
		}
		y, err := ldm.Prompt("a red heart").Encode(t.Context(), m, 64, 64)
		if err != nil {
			t.Fatal(err)
		}
		contexts[i] = y.Context.F32
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for i, v := range contexts[0] {
		if contexts[1][i] != v {
			t.Fatalf("element %d of the context is %g, want %g", i, contexts[1][i], v)
		}
	}
}

// TestModelErrors: each is one line, and no file is left behind.
func TestModelErrors(t *testing.T) {
	path := modelFile(t)
	dir := filepath.Dir(path)
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("This is no model, but a text of some length.\nIt has two lines.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.safetensors")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--dtype f8: want f32, f16 or bf16", []string{"convert", path, "-o", out, "--dtype", "f8"}},
		{"cannot be written", []string{"convert", path, "-o", filepath.Join(text, "out.safetensors")}},
		{"is a folder", []string{"convert", path, "-o", dir}},
		{"required flag(s) \"out\"", []string{"convert", path}},
		{text + " is a text", []string{"convert", text, "-o", out}},
		{"no averaged weights", []string{"convert", path, "-o", out, "--weights", "ema"}},
		{text + " is a text", []string{"info", text}},
		{"no such file", []string{"info", filepath.Join(dir, "nothing")}},
		{"model_index.json", []string{"info", t.TempDir()}},
		{"heads \"two\"", []string{"info", path, "--legacy-heads", "two"}},
		{"notes.txt", []string{"reconstruct", text}},
	} {
		err := ldmCommand(c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ldm %v: error %v, want one line with %q", c.args, err, c.want)
		}
		checkLeft(t, dir, "model.safetensors", "notes.txt")
	}
}

// TestReconstruct: a picture of any size is cut to what the first stage takes.
func TestReconstruct(t *testing.T) {
	path := modelFile(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "picture.png")
	if err := picture.Save(file, image.NewRGBA(image.Rect(0, 0, 65, 70)), picture.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, model := range [][]string{nil, {"-m", path}} {
		pairs := filepath.Join(t.TempDir(), "pairs")
		printed(t, append([]string{"reconstruct", file, "-o", pairs}, model...)...)
		f, err := os.Open(filepath.Join(pairs, "0000-picture.png"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds() != image.Rect(0, 0, 64+1+64, 68) { // side by side, a pixel apart
			t.Errorf("pair of %v, error %v", img.Bounds(), err)
		}
	}
	if err := ldmCommand("reconstruct", file, "--size", "30"); err == nil || !strings.Contains(err.Error(), "want a multiple of 4") {
		t.Errorf("size 30: error %v", err)
	}
}
