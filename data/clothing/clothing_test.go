package clothing

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

func TestPrepare(t *testing.T) {
	from := t.TempDir()
	for _, name := range []string{"train/hat/a.jpg", "train/shirt/b.png", "test/hat/c.jpg", "validation/hat/d.jpg", "other/e.jpg"} {
		if err := picture.Save(filepath.Join(from, name), image.NewRGBA(image.Rect(0, 0, 60, 90)), picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	counts, err := Prepare(context.Background(), dir, Options{Size: 32, Quality: 88, From: from})
	if err != nil || counts["train"] != 2 || counts["test"] != 1 || counts["validation"] != 1 {
		t.Fatal(counts, err)
	}
	if w, h, err := picture.Size(filepath.Join(dir, "train", "shirt", "b.jpg")); err != nil || w != 32 || h != 48 {
		t.Errorf("%dx%d, %v", w, h, err)
	}
	s, err := data.Open(dir, 16)
	if err != nil || s.Len() != 2 || len(s.Classes) != 2 {
		t.Error(s, err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Prepare(context.Background(), filepath.Join(dir, "out"), Options{Size: 32, Quality: 88, From: dir}); !errors.Is(err, fault.Input) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}
