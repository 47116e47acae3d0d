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
		"want f32 or bf16":  "txt2img -p x --precision f8 -o " + dir + "/x.png",
		"unknown key train": "train autoencoder -c ../../configs/emoji-autoencoder.yaml -o " + dir + "/run train.stepz=1",
		"unknown command":   "bogus",
	} {
		if err := ldmCommand(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ldm %s: error %v, want one with %q", args, err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}
