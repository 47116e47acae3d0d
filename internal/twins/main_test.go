package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpToDate: the files of every template in the engine are what go generate writes.
func TestUpToDate(t *testing.T) {
	templates := 0
	err := filepath.WalkDir("../../engine", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".tmpl") {
			return err
		}
		templates++
		files, err := twins(path)
		if err != nil {
			return err
		}
		for name, want := range files {
			got, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what %s makes: run go generate ./engine/...", name, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if templates == 0 {
		t.Error("no templates")
	}
}

// TestBadName: a template whose twins would have no names of their own is refused.
func TestBadName(t *testing.T) {
	for _, name := range []string{"map_amd64.s", "map.s.tmpl"} {
		if _, err := twins(filepath.Join(t.TempDir(), name)); err == nil || !strings.Contains(err.Error(), "want a name") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
