package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEvaluateRestored: models that see a picture are measured beside simpler ways, which
// are better than a model that was never trained; broken pictures are counted.
func TestEvaluateRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("evaluates whole folders")
	}
	dir, in, _ := picturesOf(t, 70, 66)
	raw, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	photos, pairs := filepath.Join(dir, "photos"), filepath.Join(dir, "pairs")
	os.Mkdir(photos, 0o777)
	os.WriteFile(filepath.Join(photos, "a.png"), raw, 0o666)
	enlarger, filler := tinyModel(t, nil, enlarging...), tinyModel(t, nil, inpainting...)
	for _, c := range []struct {
		args string
		ways []string
	}{
		{"upscale " + photos + " -m " + enlarger + " --steps 1 --degradation bsr-light -o " + pairs, []string{"bicubic", "model", "first stage"}},
		{"inpaint " + photos + " -m " + filler + " --steps 1 --masks box,wide", []string{"mean colour", "colours around", "model", "first stage"}},
	} {
		text := printed(t, append([]string{"evaluate"}, strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if len(lines) != len(c.ways) {
			t.Fatalf("%s:\n%s", c.args, text)
		}
		for i, way := range c.ways {
			if !strings.HasPrefix(lines[i], way+"\t1 pictures\tPSNR ") || !strings.Contains(lines[i], "LPIPS (squeeze)") {
				t.Errorf("%s: %q", way, lines[i])
			}
		}
	}
	checkPicture(t, filepath.Join(pairs, "0000-a.png"), 3*68+2, 64)

	os.WriteFile(filepath.Join(photos, "b.png"), raw[:len(raw)/2], 0o666)
	if text, err := failing(t, "evaluate", "upscale", photos, "-m", enlarger, "--steps", "1"); !strings.Contains(text, "bicubic\t1 pictures") || !strings.Contains(err.Error(), "1 of 2 pictures failed") {
		t.Errorf("with a broken picture: %v\n%s", err, text)
	}
	for want, args := range map[string]string{
		"does not make pictures larger": "upscale " + photos + " -m " + filler,
		"--consistency 2":               "upscale " + photos + " --consistency 2",
		"--eta 3":                       "upscale " + photos + " --eta 3",
		"not trained to fill holes":     "inpaint " + photos + " -m " + enlarger,
		"which model?":                  "inpaint " + photos,
		"round":                         "inpaint " + photos + " --masks round",
		"--size 66":                     "inpaint " + photos + " -m " + filler + " --size 66",
		"bogus":                         "upscale " + photos + " -m " + enlarger + " --sampler bogus",
	} {
		if _, err := failing(t, append([]string{"evaluate"}, strings.Fields(args)...)...); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
