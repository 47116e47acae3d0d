package files

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

func put(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o777)
		if err := os.WriteFile(path, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, place string) string {
	t.Helper()
	tree, err := Open(place)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var names []string
	for _, f := range tree.Files {
		raw, err := f.Read(1 << 10)
		if err != nil || int64(len(raw)) != f.Size || !strings.HasSuffix(string(raw), f.Name) {
			t.Errorf("%s reads %q, %v", f.Path(), raw, err)
		}
		if found, ok := tree.Lookup(f.Shard, "./"+f.Name); !ok || found.Path() != f.Path() {
			t.Errorf("%s is not found", f.Path())
		}
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "b.png", "a/x.png", ".DS_Store", "._b.png", "__MACOSX/a/x.png", "a/.ipynb_checkpoints/x-checkpoint.png", "a/Thumbs.db", "a/desktop.ini")
	if got := list(t, dir); got != "a/x.png b.png" {
		t.Error(got)
	}
	if tree, _ := Open(dir); tree.Hidden != 6 {
		t.Errorf("%d hidden", tree.Hidden)
	}
}

// TestLinks: links to folders and files are followed; circles end.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "real/a/x.png", "other/y.png")
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("no links here: ", err)
		}
	}
	link("real", "link")
	link("..", "real/a/up")
	link(filepath.Join(dir, "real"), "real/self")
	link("../other", "real/b")
	link("../nowhere.png", "real/gone.png")
	for _, place := range []string{"link", "link/", "real"} {
		tree, err := Open(filepath.Join(dir, place))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range tree.Files {
			names = append(names, f.Name)
		}
		got := strings.Join(names, " ")
		if !strings.Contains(got, "a/x.png") || !strings.Contains(got, "b/y.png") || !strings.Contains(got, "gone.png") {
			t.Errorf("%s: %s", place, got)
		}
		if gone, _ := tree.Lookup("", "gone.png"); gone.open != nil {
			if _, err := gone.Open(); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a link to nowhere: %v", err)
			}
		}
	}
}

func writeTar(t *testing.T, path string, names ...string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w io.Writer = f
	if strings.HasSuffix(path, "gz") {
		z := gzip.NewWriter(f)
		defer z.Close()
		w = z
	}
	out := tar.NewWriter(w)
	defer out.Close()
	for _, name := range names {
		out.WriteHeader(&tar.Header{Name: name, Size: int64(len(name)), Mode: 0o644, Typeflag: tar.TypeReg})
		io.WriteString(out, name)
	}
}

func TestArchives(t *testing.T) {
	dir := t.TempDir()
	names := []string{"set/a/x.png", "set/b/y.png", "__MACOSX/set/._x.png", "set/.DS_Store", "../out.png"}
	writeTar(t, filepath.Join(dir, "x.tar"), names...)
	writeTar(t, filepath.Join(dir, "x.tar.gz"), names...)
	writeTar(t, filepath.Join(dir, "x.tgz"), names...)
	f, _ := os.Create(filepath.Join(dir, "x.zip"))
	z := zip.NewWriter(f)
	for i, name := range names {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: name, Method: []uint16{zip.Store, zip.Deflate}[i%2]})
		io.WriteString(w, name)
	}
	z.Close()
	f.Close()
	for _, name := range []string{"x.tar", "x.tar.gz", "x.tgz", "x.zip"} {
		if got := list(t, filepath.Join(dir, name)); got != "a/x.png b/y.png" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestShards(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"000", "001", "002"} {
		writeTar(t, filepath.Join(dir, "shard-"+n+".tar"), n+".png", n+".txt")
	}
	put(t, dir, "README.md")
	all := "000.png 000.txt 001.png 001.txt 002.png 002.txt"
	for pattern, want := range map[string]string{
		"shard-{000..002}.tar": all, "shard-*.tar": all, "": all, "shard-{000,002}.tar": "000.png 000.txt 002.png 002.txt",
	} {
		if got := list(t, filepath.Join(dir, pattern)); got != want {
			t.Errorf("%q: %s", pattern, got)
		}
	}
	for _, pattern := range []string{"shard-{000..009}.tar", "none-*.tar", "missing", "{9..1}", "{0..99999999}"} {
		if _, err := Open(filepath.Join(dir, pattern)); !errors.Is(err, fault.Input) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestBrokenArchives(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.zip", "x.tgz"} {
		put(t, dir, name)
		if _, err := Open(filepath.Join(dir, name)); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzArchive(f *testing.F) {
	dir := f.TempDir()
	f.Add([]byte("PK\x05\x06"), true)
	f.Fuzz(func(t *testing.T, raw []byte, isZip bool) {
		path := filepath.Join(dir, "x.tar")
		if isZip {
			path = filepath.Join(dir, "x.zip")
		}
		os.WriteFile(path, raw, 0o666)
		tree, err := Open(path)
		if err != nil {
			return
		}
		defer tree.Close()
		for _, file := range tree.Files {
			file.Read(1 << 20)
		}
	})
}
