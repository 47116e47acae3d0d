package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/weights/emoji"
)

// TestMerge: a model merged with itself is itself, with a note of how it was made; what
// cannot be merged leaves nothing.
func TestMerge(t *testing.T) {
	if testing.Short() {
		t.Skip("merges whole models")
	}
	dir := t.TempDir()
	a, out := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "out.safetensors")
	if err := os.WriteFile(a, emoji.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	merge := func(args ...string) error {
		cmd := root()
		cmd.SetArgs(append([]string{"merge"}, args...))
		cmd.SetOut(new(strings.Builder))
		return cmd.ExecuteContext(t.Context())
	}
	for say, args := range map[string][]string{
		"want 13": {a, a, "-o", out, "--blocks", "1,2,3"}, "want --add-difference": {a, a, a, "-o", out}, "want three models": {a, a, "--add-difference", "1", "-o", out},
		"want a number": {a, a, "--weighted", "1000", "-o", out}, "want f32": {a, a, "--dtype", "f8", "-o", out}, "no such file": {a, a + "x", "-o", out},
	} {
		if err := merge(args...); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%v: error %v, want one with %q", args, err, say)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused merge leaves a file")
	}
	if err := merge(a, a, a, "--add-difference", "0.7", "-o", out, "--dtype", "f32"); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoint.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, err := checkpoint.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	const name = "model.diffusion_model.out.2.weight"
	x, err := f.Read(name)
	y, err2 := base.Read(name)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i, v := range x.F32 {
		if v != y.F32[i] {
			t.Fatalf("%s: element %d is %g, want %g", name, i, v, y.F32[i])
		}
	}
	if note := f.Metadata()["sd_merge_recipe"]; !strings.Contains(note, "Add difference") {
		t.Errorf("the note says %q", note)
	}
}
