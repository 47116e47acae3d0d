package main

import (
	"bytes"
	"image"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
)

func TestInfoPicture(t *testing.T) {
	notes, err := metadata.Notes(metadata.Parameters{
		Prompt: "a \x1b[31mcat", Negative: "dog\nmouse",
		Fields: []metadata.Field{{Key: "Steps", Value: "20"}, {Key: "Seed", Value: "7"}, {Key: "CFG scale", Value: "7.5"}, {Key: "Version", Value: "ldm 1.0"}},
	}, map[string]int{"seed": 7})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.webp")
	if err := picture.Save(path, image.NewGray(image.Rect(0, 0, 8, 6)), picture.Options{Notes: notes}); err != nil {
		t.Fatal(err)
	}
	cmd, out := root(), &bytes.Buffer{}
	cmd.SetArgs([]string{"info", path})
	cmd.SetOut(out)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"8x6 pixels", "ldm 1.0", "a [31mcat", "dog\n               mouse", "cfg scale      7.5", "seed           7"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
