package xla

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/graph"
)

// entries are the paths of a folder's compiled programs.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCache: what was written is read whole or not at all, other plugins have entries of
// their own, and what was not used for longest goes first.
func TestCache(t *testing.T) {
	c := newCache(Options{Cache: t.TempDir(), CacheBytes: 3000}, "plugin 1")
	path := c.path("text", []byte("options"))
	data, memory := bytes.Repeat([]byte("x"), 1000), pjrt.Memory{Code: 1, Temporary: 5}
	if err := c.write(path, data, memory); err != nil {
		t.Fatal(err)
	}
	if got, m, ok := c.read(path); !ok || !bytes.Equal(got, data) || m != memory {
		t.Errorf("read %d bytes, %v, %v", len(got), m, ok)
	}
	other := newCache(Options{Cache: c.dir}, "plugin 2")
	for _, p := range []string{other.path("text", []byte("options")), c.path("texts", []byte("options")), c.path("texto", []byte("ptions"))} {
		if p == path {
			t.Error("another program has the same entry")
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 97 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		for _, bad := range [][]byte{damaged, whole[:i]} {
			os.WriteFile(path, bad, 0o600)
			if _, _, ok := c.read(path); ok {
				t.Fatalf("an entry that is damaged at byte %d was read", i)
			}
		}
	}
	os.WriteFile(path, whole, 0o600)
	old := time.Now().Add(-time.Hour)
	for _, text := range []string{"a", "b"} {
		p := c.path(text, nil)
		if err := c.write(p, data, memory); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(p, old, old)
		old = old.Add(time.Minute)
	}
	if _, _, ok := c.read(c.path("a", nil)); ok || len(entries(t, c.dir)) != 2 {
		t.Errorf("%d entries of 1 kB where 3 kB are allowed, the oldest among them: %v", len(entries(t, c.dir)), ok)
	}
}

// TestCompileTwice: a second engine loads what the first has compiled, with the same
// result, and compiles again what was damaged.
func TestCompileTwice(t *testing.T) {
	e := *open(t, "cpu")
	e.cache = newCache(Options{Cache: t.TempDir()}, e.identity())
	g := graph.New()
	y := g.Affine(g.Unary(graph.SiLU, g.Input("x", 100)), 2, 1)
	var peak int64
	run := func() float32 {
		t.Helper()
		p, err := e.Compile(g, []graph.Value{y}, nil, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		peak = p.PeakBytes()
		p.Input("x").F32[7] = 3
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.Output(0).F32[7]
	}
	want, bytes := run(), peak
	all := entries(t, e.cache.dir)
	if len(all) != 1 {
		t.Fatalf("entries %v", all)
	}
	before, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := run(); got != want || peak != bytes {
		t.Errorf("from the cache: %g and %d bytes, want %g and %d", got, peak, want, bytes)
	}
	os.WriteFile(all[0], before[:len(before)-1], 0o600)
	if got := run(); got != want {
		t.Errorf("after damage: %g, want %g", got, want)
	}
	if after, err := os.ReadFile(all[0]); err != nil || len(after) < len(before) {
		t.Error("the damaged entry was not replaced")
	}
}

// TestDevices: names are read, and errors say what to install.
func TestDevices(t *testing.T) {
	for name, want := range map[string]Device{
		"cuda": {"cuda", "", 1}, "cuda:8": {"cuda", "", 8}, "/a/b.so": {"", "/a/b.so", 1}, "/a/b.so:2": {"", "/a/b.so", 2}, `C:\a\b.dll`: {"", `C:\a\b.dll`, 1},
	} {
		if d, err := ParseDevice(name); err != nil || d != want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for _, name := range []string{"", "gpu", "cuda:0", "cuda:", "cuda:x", ":2", "cpu:99999"} {
		if d, err := ParseDevice(name); err == nil {
			t.Errorf("%q is %+v", name, d)
		}
	}
	t.Setenv(PluginVariable, "")
	t.Setenv(PathVariable, "")
	t.Setenv("VIRTUAL_ENV", "")
	t.Setenv("HOME", t.TempDir())
	text := filepath.Join(t.TempDir(), "text.so")
	os.WriteFile(text, []byte("no library"), 0o600)
	for name, part := range map[string]string{"rocm": "pip install jax-rocm7-pjrt", "/nowhere/x.so": "no plugin /nowhere/x.so", text: "text.so"} {
		_, err := Open(name, Options{})
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, part)
		}
	}
}
