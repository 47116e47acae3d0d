package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ldmCommand(args ...string) error {
	cmd := root()
	cmd.SetArgs(args)
	return cmd.Execute()
}

// TestTextToImage makes a picture with the model in the box.
func TestTextToImage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.png")
	if err := ldmCommand("txt2img", "-p", "a red heart", "--steps", "2", "--seed", "1", "-n", "2", "-o", out); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil || img.Bounds().Dx() != 129 || img.Bounds().Dy() != 64 {
		t.Errorf("%v, %v", img.Bounds(), err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string]string{
		"multiples of 16":   "txt2img -p x -W 65 -o " + dir + "/x.png",
		"--steps 0":         "txt2img -p x --steps 0 -o " + dir + "/x.png",
		"is a folder":       "txt2img -p x -o " + dir,
		"written as":        "txt2img -p x -o " + dir + "/x.tga",
		"two prompts":       "txt2img y -p x -o " + dir + "/x.png",
		"what to show?":     "txt2img -o " + dir + "/x.png",
		"--cfg-scale NaN":   "txt2img x --cfg-scale nan -o " + dir + "/x.png",
		"--cfg-scale 0":     "txt2img x --cfg-scale 0 -o " + dir + "/x.png",
		"--eta 2":           "txt2img x --eta 2 -o " + dir + "/x.png",
		"from 0 to":         "txt2img x --seed -2 -o " + dir + "/x.png",
		"-n 0":              "txt2img x -n 0 -o " + dir + "/x.png",
		"no such file":      "txt2img -p x -m " + dir + "/missing -o " + dir + "/x.png",
		"want f32, bf16 or": "txt2img -p x --precision f8 -o " + dir + "/x.png",
		"unknown key train": "train autoencoder -c ../../configs/emoji-autoencoder.yaml -o " + dir + "/run train.stepz=1",
		"unknown command":   "bogus",
		"is empty":          "reconstruct --out= x",
		"written as .ckpt":  "convert x.safetensors -o " + dir + "/x.ckpt",
	} {
		if err := ldmCommand(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ldm %s: error %v, want one with %q", args, err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}

// TestUsage: a command line that is not understood is an error that says what is
// wanted, and ends with status 2.
func TestUsage(t *testing.T) {
	for args, want := range map[string]string{
		"bogus":                "want one of bench",
		"train bogus":          "want one of autoencoder, diffusion",
		"data bogus":           `unknown command "bogus" for "ldm data"`,
		"evaluate bogus":       `unknown command "bogus"`,
		"help bogus":           `unknown command "bogus" for "ldm"`,
		"help train bogus":     `unknown command "bogus" for "ldm train"`,
		"completion bogus":     `unknown command "bogus"`,
		"sample x":             "takes no argument",
		"samplers x":           `takes no argument "x"; want ldm samplers`,
		"sample -t -1":         "want 0 (all processors) to 4096",
		"bench dec -t 1000000": "want 0 (all processors) to 4096",
		"info":                 "want ldm info FILE",
		"sample --bogus":       "unknown flag: --bogus",
		"sample --steps":       "--steps has no value: want a whole number",
		"sample --steps x":     `--steps "x": want a whole number`,
		"sample --cfg-scale x": `want a number`,
		"sample -n":            "-n, --n has no value: want a whole number",
		"sample -o":            "--out has no value: want a text",
		"sample --seed x":      "from 0 to 18446744073709551615",
		"train autoencoder":    "required flag(s)",
		"convert x":            "required flag(s)",
	} {
		if err := ldmCommand(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) || exitStatus(err) != 2 {
			t.Errorf("ldm %s: error %v, want one with %q and status 2", args, err, want)
		}
	}
	if err := ldmCommand("info", "missing.safetensors"); err == nil || exitStatus(err) != 1 {
		t.Errorf("a missing file: %v", err)
	}
}
