package data

import (
	"context"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/picture"
)

// paint writes a picture whose left half is red and whose right half is see-through.
func paint(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 12, 8))
	for i := range 6 * 8 {
		img.SetNRGBA(i%6, i/6, color.NRGBA{255, 0, 0, 255})
	}
	if err := picture.Save(path, img, picture.Options{}); err != nil {
		t.Fatal(err)
	}
}

func TestClassFolders(t *testing.T) {
	dir := t.TempDir()
	paint(t, filepath.Join(dir, "b", "x.png"))
	paint(t, filepath.Join(dir, "a", "deep", "y.png"))
	s, err := Open(dir, 4)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(s.Classes, " ") != "a b" || s.Len() != 2 || s.Items[0].Class != 0 || s.Items[1].Class != 1 {
		t.Errorf("classes %v, items %v", s.Classes, s.Items)
	}
	plain, mirrored := make([]float32, 48), make([]float32, 48)
	if err := s.Fill(plain, 0, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Fill(mirrored, 0, true); err != nil {
		t.Fatal(err)
	}
	if plain[0] != 1 || plain[1] > -.9 || plain[9] != 1 || plain[10] != 1 {
		t.Errorf("first row %v: want red, then white", plain[:12])
	}
	if mirrored[0] != plain[9] || mirrored[10] != plain[1] {
		t.Errorf("mirrored row %v of %v", mirrored[:12], plain[:12])
	}
}

func TestMetadata(t *testing.T) {
	dir := t.TempDir()
	paint(t, filepath.Join(dir, "x.png"))
	write := func(text string) { os.WriteFile(filepath.Join(dir, MetadataFile), []byte(text), 0o644) }
	write(`{"file_name":"x.png","text":"one","texts":["two"]}` + "\n\n")
	s, err := Open(dir, 4)
	if err != nil || strings.Join(s.Items[0].Texts, " ") != "one two" {
		t.Fatalf("%v, %v", s, err)
	}
	for text, want := range map[string]string{
		`{"file_name":"../x.png"}`: "metadata.jsonl:1: file_name",
		"{\n":                      "metadata.jsonl:1",
		"":                         "no pictures",
		`{"file_name":"y.png"}`:    "y.png: file does not exist",
	} {
		write(text)
		if _, err := Open(dir, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// TestLoader: a step's pictures depend on the step alone, and an epoch has every one.
func TestLoader(t *testing.T) {
	s := &Set{Items: make([]Item, 10)}
	for i := range s.Items {
		s.Items[i].Texts = []string{"main", "other"}
	}
	l := Loader{Set: s, Batch: 4, Seed: 3, Mirror: true}
	seen := map[int]int{}
	var steps [][]Pick
	for step := range 5 {
		steps = append(steps, l.Picks(step))
		for _, p := range steps[step] {
			seen[p.Index]++
		}
	}
	for i := range s.Items {
		if seen[i] != 2 {
			t.Errorf("picture %d came %d times in two epochs", i, seen[i])
		}
	}
	again := Loader{Set: s, Batch: 4, Seed: 3, Mirror: true}
	for i, p := range again.Picks(3) {
		if p != steps[3][i] {
			t.Errorf("step 3 is %v and %v", p, steps[3][i])
		}
	}
}

// TestOpenCancelled: a large set does not keep a person waiting.
func TestOpenCancelled(t *testing.T) {
	dir := t.TempDir()
	paint(t, filepath.Join(dir, "x.png"))
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := OpenSet(dir, Options{Size: 4, Err: ctx.Err}); err != context.Canceled {
		t.Errorf("error %v, want the context's", err)
	}
}
