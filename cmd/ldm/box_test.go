package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/picture/metadata"
)

// TestBoxes: photographs are made larger by a model of the program; the pictures say by
// which, and are made again from what they say.
func TestBoxes(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	dir, in, _ := picturesOf(t, 53, 41)
	for name, args := range map[string][]string{"upscale": {"upscale", in}} {
		out, again := filepath.Join(dir, name+".png"), filepath.Join(dir, name+"-again.png")
		printed(t, append(args, "--steps", "2", "--seed", "3", "-o", out)...)
		printed(t, args[0], "--from-image", out, "-o", again)
		if !bytes.Equal(pixelsOf(t, out), pixelsOf(t, again)) {
			t.Errorf("%s is not repeated", name)
		}
		if s, err := metadata.Read(out); err != nil || s.Model != name || s.Hash == "" {
			t.Errorf("%s was made by %q, %q: %v", name, s.Model, s.Hash, err)
		}
	}
	checkPicture(t, filepath.Join(dir, "upscale.png"), 212, 164)
}
