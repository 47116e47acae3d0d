package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

func sample() map[string]*tensor.Tensor {
	a, b := tensor.New(2, 3), tensor.New()
	copy(a.F32, []float32{1, -2, .5, 1e-3, 65504, 0})
	b.F32[0] = 3
	return map[string]*tensor.Tensor{"a.weight": a, "b": b}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for _, d := range []DType{F32, F16, BF16} {
		if err := Save(path, sample(), map[string]string{"k": "v \"quoted\""}, d); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Metadata()["k"] != "v \"quoted\"" {
			t.Error("metadata lost")
		}
		got, err := Load(f, Wants("", map[string]tensor.Shape{"a.weight": {2, 3}, "b": {}}), LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range sample()["a.weight"].F32 {
			if w := got["a.weight"].F32[i]; math.Abs(float64(w-v)) > math.Abs(float64(v))/200 || d == F32 && w != v {
				t.Errorf("%s: element %d is %g, want %g", d, i, w, v)
			}
		}
		_, err = Load(f, Wants("", map[string]tensor.Shape{"a.weight": {3, 2}, "c": {}}), LoadOptions{})
		if err == nil || !strings.Contains(err.Error(), "a.weight is [2 3], want [3 2]") || !strings.Contains(err.Error(), "1 missing: c") {
			t.Errorf("misfit: %v", err)
		}
		f.Close()
	}
}

func TestAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	os.WriteFile(path, []byte("old"), 0o644)
	err := Atomic(path, func(w io.Writer) error {
		w.Write(bytes.Repeat([]byte("new"), 1<<20))
		return errors.New("no space left")
	})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
	raw, _ := os.ReadFile(path)
	left, _ := os.ReadDir(dir)
	if string(raw) != "old" || len(left) != 1 {
		t.Errorf("after a failure: %q, %d files", raw, len(left))
	}
}

func TestAtomicKeepsFolders(t *testing.T) {
	if err := Atomic(t.TempDir(), func(io.Writer) error { return nil }); err == nil {
		t.Error("a folder was replaced")
	}
}

// TestNaN: numbers that are not finite are neither read nor written.
func TestNaN(t *testing.T) {
	bad := sample()
	bad["b"].F32[0] = float32(math.NaN())
	var b bytes.Buffer
	if err := write(t.Context(), &b, bad, nil, F32); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile("x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(f, Wants("", map[string]tensor.Shape{"b": {}}), LoadOptions{}); err == nil || !strings.Contains(err.Error(), "b: element 0 is NaN") {
		t.Errorf("NaN: %v", err)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := Save(path, bad, nil, F32); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "b (element 0 is NaN)") {
		t.Errorf("NaN: %v", err)
	}
}

// TestRange: a number that the format does not hold is no infinity in the file.
func TestRange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for _, c := range []struct {
		v      float32
		d      DType
		offers string // or "" where it fits
	}{
		{65519, F16, ""}, {-65520, F16, "bf16 or f32"}, {1e30, F16, "bf16 or f32"}, {1e30, BF16, ""},
		{math.MaxFloat32, BF16, "f32"}, {math.MaxFloat32, F32, ""}, {float32(math.Inf(1)), F32, "not finite"},
	} {
		os.Remove(path)
		x := sample()
		x["b"].F32[0] = c.v
		err := Save(path, x, nil, c.d)
		_, statErr := os.Stat(path)
		switch {
		case c.offers == "" && err != nil:
			t.Errorf("%g as %s: %v", c.v, c.d, err)
		case c.offers != "" && (!errors.Is(err, fault.Input) || !strings.Contains(err.Error(), "b (") || !strings.Contains(err.Error(), c.offers) || statErr == nil):
			t.Errorf("%g as %s: error %v, want one that names b and says %q, and no file", c.v, c.d, err, c.offers)
		}
	}
}

func TestTruncated(t *testing.T) {
	var b bytes.Buffer
	if err := write(t.Context(), &b, sample(), nil, F32); err != nil {
		t.Fatal(err)
	}
	for n := range b.Len() {
		if _, err := NewFile("x", bytes.NewReader(b.Bytes()[:n]), int64(n)); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, b.Len())
		}
	}
}

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	if err := write(f.Context(), &b, sample(), map[string]string{"k": "v"}, F16); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := NewFile("fuzz", bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			if _, err := file.Read(name); err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("error %v does not name %s", err, name)
			}
		}
	})
}
