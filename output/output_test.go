package output

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFoldersAndPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "c.txt")
	if err := Write(path, put("one")); err != nil {
		t.Fatal(err)
	}
	reference := filepath.Join(t.TempDir(), "plain")
	os.WriteFile(reference, nil, 0o666)
	want, _ := os.Stat(reference)
	if st, _ := os.Stat(path); st.Mode() != want.Mode() {
		t.Errorf("mode %v: want %v, as the umask has it", st.Mode(), want.Mode())
	}
	os.Chmod(path, 0o600)
	if err := Write(path, put("two")); err != nil || content(t, path) != "two" {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v after it was written again", st.Mode())
	}
}

func TestFailureLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	Write(path, put("old"))
	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error { io.WriteString(w, "half"); return broken })
	if !errors.Is(err, broken) || content(t, path) != "old" {
		t.Errorf("%v, %q", err, content(t, path))
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%v are left", left)
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "there", "target"), filepath.Join(dir, "link")
	os.Mkdir(filepath.Join(dir, "there"), 0o777)
	if err := os.Symlink(filepath.Join("there", "target"), link); err != nil {
		t.Skip("no links here: ", err)
	}
	for _, text := range []string{"new", "again"} {
		if err := Write(link, put(text)); err != nil || content(t, target) != text {
			t.Fatal(err)
		}
	}
	if st, _ := os.Lstat(link); st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	circle := filepath.Join(dir, "circle")
	os.Symlink(circle, circle)
	if err := Write(circle, put("x")); err == nil {
		t.Error("a circle of links was written")
	}
}

func TestDevices(t *testing.T) {
	if err := Write(os.DevNull, put("x")); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Fatalf("%s was replaced", os.DevNull)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := Write("/dev/full", put("x")); err == nil || !strings.Contains(err.Error(), "/dev/full") {
			t.Errorf("a full device: %v", err)
		}
	}
}

// TestOpenFiles: a name of a file that is open already is written through, not
// replaced by another file.
func TestOpenFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name := fmt.Sprintf("/dev/fd/%d", f.Fd())
	if _, err := os.Stat(name); err != nil {
		t.Skip("this system has no names of open files: ", err)
	}
	before, _ := f.Stat()
	if err := Write(name, put("new")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(f.Name())
	if raw, _ := os.ReadFile(f.Name()); err != nil || string(raw) != "new" || !os.SameFile(before, after) {
		t.Errorf("holds %q; the same file: %v, %v", raw, os.SameFile(before, after), err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o666)
	for path, want := range map[string]string{
		"":                               "empty",
		dir:                              "is a folder",
		filepath.Join(dir, "x") + "/":    "is a folder",
		filepath.Join(file, "x"):         "cannot be written",
		filepath.Join(file, "y", "x"):    "cannot be written",
		filepath.Join(dir, "new", "x"):   "",
		filepath.Join(dir, "file"):       "",
		os.DevNull:                       "",
		"-":                              "",
		filepath.Join(dir, "a", "b.png"): "",
	} {
		err := Check(path)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !errors.Is(err, fault.Input)) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the check made %v", left)
	}
}

func TestFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	broken := errors.New("broken")
	if err := Folder(path, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	fill := func(dir string) error {
		Clean(filepath.Dir(dir)) // another process cleans up
		return os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o666)
	}
	if err := Folder(path, fill); err != nil || content(t, filepath.Join(path, "x")) != "x" {
		t.Error(err)
	}
	if err := Folder(path, fill); !errors.Is(err, fault.Input) {
		t.Errorf("a folder that is there: %v", err)
	}
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".x.png.12.tmp", ".hidden", "y.tmp", "y.12.tmp"} {
		os.WriteFile(filepath.Join(dir, name), nil, 0o666)
	}
	os.MkdirAll(filepath.Join(dir, ".set.7.tmp", "below"), 0o777)
	busy, err := create(filepath.Join(dir, "busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	Clean(dir)
	var left []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != filepath.Base(busy.Name())+" .hidden y.12.tmp y.tmp" {
		t.Errorf("left: %s", got)
	}
}
