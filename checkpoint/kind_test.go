package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// zipped makes a zip archive of empty files.
func zipped(t testing.TB, names ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestKinds: a file of another kind under a checkpoint's name is called by its own.
func TestKinds(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"a.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:27f2\nsize 4265146304\n", "a Git LFS pointer, not the file itself (4265146304 bytes): run git lfs pull"},
		{"a.ckpt", "\n\ufeff<!DOCTYPE html>\n<html>", "an HTML page"},
		{"a.ckpt", "<HTML><head>", "an HTML page"},
		{"a.ckpt", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML document"},
		{"a.ckpt", "Entry not found", `a text that begins with "Entry not found"`},
		{"a.ckpt", `{"error":"Repository not found"}`, `a text that begins with "{\"error\":`},
		{"model.yaml", "model:\n  target: x\n", "a YAML configuration: give it with --config"},
		{"a.ckpt", "\x1f\x8b\x08\x00\x00\x00", "a gzip archive"},
		{"a.ckpt", "7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"},
		{"a.ckpt", "\xfd7zXZ\x00\x00", "an xz archive"},
		{"a.ckpt", "\x28\xb5\x2f\xfd\x04", "a zstd archive"},
		{"a.ckpt", strings.Repeat("x\x00", 128) + "\x00ustar\x0000", "a tar archive"},
		{"a.onnx", "\x08\x07\x12\x07pytorch\x1a\x052.0.1", "an ONNX model"},
		{"a.safetensors", "GGUF\x03\x00\x00\x00\x00", "a GGUF model"},
		{"a.bin", "\x93NUMPY\x01\x00v\x00{'descr'", "a NumPy array"},
		{"a.bin", "\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite model"},
		{"a.h5", "\x89HDF\r\n\x1a\n\x00", "an HDF5 file"},
		{"a.ckpt", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a PNG picture"},
		{"a.ckpt", "cos\nsystem\n(S'id'\ntR.", "a Python pickle"},
		{"a.ckpt", "(dp0\nS'a'\np1\n.", "a Python pickle"},
		{"a.ckpt", "\x80\x04}\x94.", "a Python pickle that torch.save did not write"},
		{"a.ckpt", "", "an empty file"},
		{"a.ckpt", strings.Repeat("\x00", 4096), "zeros alone"},
		{"a.ckpt", "\x01\x02\x03", "neither a safetensors file nor a checkpoint of torch.save"},
		{"a.npz", zipped(t, "w.npy", "b.npy"), "an archive of NumPy arrays"},
		{"a.ckpt", zipped(t, "model/", "model/x.safetensors"), "a zip archive with model/x.safetensors in it: unpack it first"},
		{"a.ckpt", zipped(t, "[Content_Types].xml", "word/document.xml"), "an Office document"},
		{"a.pt", zipped(t, "m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"), "a TorchScript program, not weights"},
		{"a.keras", zipped(t, "config.json", "model.weights.h5"), "a Keras model"},
		{"a.ckpt", zipped(t, "readme.txt"), "a zip archive"},
	} {
		for _, name := range []string{c.name, "model.ckpt"} {
			if strings.HasSuffix(c.name, ".yaml") && name != c.name {
				continue
			}
			_, err := NewFile(name, strings.NewReader(c.data), int64(len(c.data)))
			if !errors.Is(err, fault.File) || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%.20q as %s: error %v, want one with %q", c.data, name, err, c.want)
			}
		}
	}
}

func TestTruncatedDownloads(t *testing.T) {
	var b bytes.Buffer
	if err := write(t.Context(), &b, sample(), nil, F32); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{b.Len() - 1, 40} {
		_, err := NewFile("x", bytes.NewReader(b.Bytes()[:cut]), int64(cut))
		if !errors.Is(err, fault.File) || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("%d of %d bytes: %v", cut, b.Len(), err)
		}
	}
}

// safetensors makes a file of tensors of two elements each.
func safetensors(t testing.TB, formats map[string]string) string {
	header, at := map[string]any{"__metadata__": map[string]any{"n": 3, "s": "x"}}, 0
	for name, d := range formats {
		size := 2 * max(sizes[DType(d)], foreignSizes[DType(d)], 1)
		header[name] = map[string]any{"dtype": d, "shape": []int{2}, "data_offsets": []int{at, at + size}}
		at += size
	}
	raw, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(raw)))) + string(raw) + strings.Repeat("\x00", at)
}

// TestForeignFormats: tensors that cannot be read hinder nothing until they are wanted.
func TestForeignFormats(t *testing.T) {
	formats := map[string]string{"good": "F32"}
	for _, d := range []string{"F8_E4M3", "F8_E5M2", "U16", "U32", "U64", "I8", "BOOL", "F4", "SOMETHING_NEW"} {
		formats["x."+d] = d
	}
	raw := safetensors(t, formats)
	f, err := NewFile("x", strings.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata()["n"] != "3" || f.Metadata()["s"] != "x" {
		t.Errorf("metadata %v", f.Metadata())
	}
	if _, err := Load(f, Wants("", map[string]tensor.Shape{"good": {2}}), LoadOptions{}); err != nil {
		t.Error(err)
	}
	for name, d := range formats {
		if name == "good" {
			continue
		}
		want := fmt.Sprintf("%s (%s)", name, d)
		if _, err := Load(f, Wants("", map[string]tensor.Shape{name: {2}}), LoadOptions{}); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := f.Read(name); !DType(d).readable() && (!errors.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNotFiles: what is no file of bytes is an error at once.
func TestNotFiles(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	done := make(chan error)
	go func() {
		for _, path := range append(pipes(t, dir), dir, filepath.Join(dir, "socket"), os.DevNull, filepath.Join(dir, "none")) {
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
				done <- fmt.Errorf("%s: %v", path, err)
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still waiting")
	}
}

// plainFS gives files that can be read from their beginning alone.
type plainFS struct{ fs.FS }

type plainFile struct{ fs.File }

func (p plainFS) Open(name string) (fs.File, error) {
	f, err := p.FS.Open(name)
	return plainFile{f}, err
}

func TestOpenFS(t *testing.T) {
	var b bytes.Buffer
	if err := write(t.Context(), &b, sample(), nil, F32); err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{"sub/x.safetensors": {Data: b.Bytes()}}
	for _, fsys := range []fs.FS{fsys, plainFS{fsys}} {
		f, err := OpenFS(fsys, "sub/x.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		x, err := f.View("a.weight")
		if err != nil || x.F32[1] != -2 {
			t.Errorf("%v, %v", x, err)
		}
		f.Close()
		if _, err := OpenFS(fsys, "sub"); !errors.Is(err, fault.Input) {
			t.Errorf("a folder: %v", err)
		}
		if _, err := OpenFS(fsys, "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
	}
}

func FuzzKind(f *testing.F) {
	f.Add("a.ckpt", []byte("version https://git-lfs.github.com/spec/v1\nsize 99999999999999999999\n"))
	f.Add("a.yaml", []byte("a: \xff"))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		kindOf(name, raw[:min(len(raw), kindBytes)], int64(len(raw)))
		if _, err := NewFile("x", bytes.NewReader(raw), int64(len(raw))); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %q", err)
		}
	})
}
