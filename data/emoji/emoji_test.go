package emoji

import (
	"context"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/fetch"
	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/picture"
)

const names = `[
 {"label":"waving hand","hexcode":"1F44B","tags":["bye","hello"],"group":1,"skins":[{"label":"waving hand: light skin tone","hexcode":"1F44B-1F3FB","group":1}]},
 {"label":"red apple","hexcode":"1F34E","group":4},
 {"label":"flag: France","hexcode":"1F1EB-1F1F7","group":9},
 {"label":"red heart","hexcode":"2764","group":8},
 {"label":"regional indicator A","hexcode":"1F1E6"}]`

func TestDescribe(t *testing.T) {
	list, err := describe([]byte(names), Options{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d emoji, %v", len(list), err)
	}
	if e := list[1]; e.Text != "waving hand" || strings.Join(e.Texts, "|") != "a waving hand|waving hand, bye, hello" {
		t.Errorf("captions %q %q", e.Text, e.Texts)
	}
	list, _ = describe([]byte(names), Options{Flags: true, SkinTones: true})
	if len(list) != 5 {
		t.Errorf("%d emoji with flags and skin tones", len(list))
	}
	for percent := range 101 {
		sides := map[string]bool{}
		for _, e := range list {
			if held, seen := sides[e.Base]; seen && held != e.heldOut(percent) {
				t.Fatalf("the variants of %s are on both sides", e.Base)
			}
			sides[e.Base] = e.heldOut(percent)
		}
	}
	if plain("2764-FE0F") != "2764" {
		t.Error("the variation selector stays")
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.png")
	if err := picture.Save(file, image.NewRGBA(image.Rect(0, 0, 9, 9)), picture.Options{}); err != nil {
		t.Fatal(err)
	}
	tree, err := files.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := describe([]byte(names), Options{})
	x := tree.Files[0]
	out := filepath.Join(dir, "out")
	counts, err := write(context.Background(), out, map[string]files.File{"1f44b": x, "1f34e": x, "2764": x}, list, Options{Size: 4, Validation: 0})
	if err != nil || counts.Train != 3 {
		t.Fatalf("%+v, %v", counts, err)
	}
	set, err := data.Open(filepath.Join(out, "train"), 4)
	if err != nil || set.Len() != 3 {
		t.Fatal(set, err)
	}
}

func TestPrepareErrors(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "x"), nil, 0o666)
	if _, err := Prepare(context.Background(), dir, Options{Size: 8}); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("an existing folder: %v", err)
	}
	t.Setenv("PATH", "")
	t.Setenv(fetch.CacheEnv, filepath.Join(t.TempDir(), "cache"))
	if _, err := Prepare(context.Background(), filepath.Join(dir, "new"), Options{Size: 8}); err == nil || !strings.Contains(err.Error(), "npm") {
		t.Errorf("without npm: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left behind", len(left))
	}
}
