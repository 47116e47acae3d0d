package fetch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

// program puts a shell script of that name first in the search path.
func program(t *testing.T, name, script string) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestPackage(t *testing.T) {
	t.Setenv(CacheEnv, t.TempDir())
	calls := filepath.Join(t.TempDir(), "calls")
	program(t, "npm", "echo call >> "+calls+"; printf hello > x-1.0.tgz; echo x-1.0.tgz")
	p := Package{"@a/x", "1.0", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
	for range 2 {
		path, err := p.Get(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := os.ReadFile(path); string(raw) != "hello" {
			t.Errorf("%q", raw)
		}
	}
	if raw, _ := os.ReadFile(calls); strings.Count(string(raw), "call") != 1 {
		t.Errorf("npm was called %q", raw)
	}
	p.Version, p.SHA256 = "1.1", strings.Repeat("0", 64)
	if _, err := p.Get(context.Background()); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("another content: %v", err)
	}
	t.Setenv("PATH", "")
	if _, err := p.Get(context.Background()); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "npm") {
		t.Errorf("without npm: %v", err)
	}
}

func TestRepository(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip(err)
	}
	t.Setenv(CacheEnv, t.TempDir())
	origin := t.TempDir()
	do := func(args ...string) string {
		out, err := run(context.Background(), origin, git, append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	do("init", "--quiet")
	os.WriteFile(filepath.Join(origin, "file"), []byte("one"), 0o666)
	do("add", "file")
	do("commit", "--quiet", "-m", "one")
	r := Repository{"file://" + filepath.ToSlash(origin), do("rev-parse", "HEAD")}
	for range 2 {
		dir, err := r.Get(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := os.ReadFile(filepath.Join(dir, "file")); string(raw) != "one" {
			t.Errorf("%q", raw)
		}
		r.URL = "file:///nowhere" // it is kept
	}
	r.Commit = strings.Repeat("1", 40)
	if _, err := r.Get(context.Background()); err == nil || !strings.Contains(err.Error(), "git fetch") {
		t.Errorf("a source that is not there: %v", err)
	}
}
