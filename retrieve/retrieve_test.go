package retrieve

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/tensor"
)

// TestSearch: the nearest are those that float64 finds, across chunks, equal ones in
// their order, and a database is the same once it was written and read.
func TestSearch(t *testing.T) {
	const n, width, k = chunk + 100, 24, 7
	vectors := nettest.Random(1, n, width)
	copy(vectors.Row(n-1).F32, vectors.Row(3).F32)
	clear(vectors.Row(5).F32)
	names := make([]string, n)
	for i := range names {
		names[i] = strings.Repeat("x", i%9) + ".png"
	}
	made, err := New(vectors, names, "clip.pt")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "folder", "db.safetensors")
	if err := made.Save(path, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != n || d.Width() != width || d.Name(8) != names[8] || d.Encoder != "clip.pt" {
		t.Errorf("%d pictures of %d numbers by %s", d.Len(), d.Width(), d.Encoder)
	}
	q := vectors.Row(3).F32
	got, err := d.Search(t.Context(), q, k)
	if err != nil {
		t.Fatal(err)
	}
	cosines := make([]float64, n)
	for i := range cosines {
		var dot, a, b float64
		for j, v := range vectors.Row(i).F32 {
			dot, a, b = dot+float64(v)*float64(q[j]), a+float64(v)*float64(v), b+float64(q[j])*float64(q[j])
		}
		cosines[i] = dot / math.Sqrt(a*b)
	}
	sorted := slices.Clone(cosines)
	slices.SortFunc(sorted, func(a, b float64) int { return -cmpNaN(a, b) })
	for i, g := range got {
		if math.Abs(g.Cosine-sorted[i]) > 1e-5 || math.Abs(cosines[g.Index]-g.Cosine) > 1e-5 {
			t.Errorf("neighbour %d: picture %d with %g, want %g", i, g.Index, g.Cosine, sorted[i])
		}
	}
	if got[0].Index != 3 || got[1].Index != n-1 {
		t.Errorf("the nearest are %v, want 3 before its copy", got[:2])
	}
	for want, ask := range map[string]func() error{
		"made by clip.pt": func() error { _, err := d.Search(t.Context(), q[1:], 1); return err },
		"want 1 to":       func() error { _, err := d.Search(t.Context(), q, n+1); return err },
		"no neighbours":   func() error { _, err := d.Search(t.Context(), make([]float32, width), 1); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// cmpNaN puts NaN last.
func cmpNaN(a, b float64) int {
	switch {
	case math.IsNaN(a):
		return -1
	case math.IsNaN(b) || a > b:
		return 1
	case a < b:
		return -1
	}
	return 0
}

// TestErrors: what is no database is an error.
func TestErrors(t *testing.T) {
	for name, want := range map[string]string{nameVectors: "want [pictures, numbers]", "other": "is no database"} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := checkpoint.Save(path, map[string]*tensor.Tensor{name: tensor.New(3)}, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	bad := tensor.New(2, 3)
	bad.F32[4] = float32(math.NaN())
	if _, err := New(bad, nil, ""); err == nil || !strings.Contains(err.Error(), "not finite") {
		t.Errorf("a NaN: %v", err)
	}
	if _, err := New(tensor.New(2, 3), []string{"one"}, ""); err == nil {
		t.Error("one name for two vectors")
	}
}

// FuzzOpen: whatever a file says of itself, it is read or refused without a panic.
func FuzzOpen(f *testing.F) {
	f.Add(`{"embedding":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"__metadata__":{"ldm_pictures":"[\"a\",\"b\"]"}}`, []byte("0123456789abcdef"))
	f.Add(`{"embedding":{"dtype":"F16","shape":[1099511627776,2],"data_offsets":[0,16]}}`, []byte{})
	const index = `{"embedding":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"index.centres":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},` +
		`"index.starts":{"dtype":"I32","shape":[2],"data_offsets":[16,24]},"index.members":{"dtype":"I32","shape":[2],"data_offsets":[24,32]}}`
	f.Add(index, []byte("0123456789abcdef\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(index, []byte("0123456789abcdef\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, header string, data []byte) {
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, uint64(len(header)))
		b.WriteString(header)
		b.Write(data)
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path)
		if err != nil {
			return
		}
		q := make([]float32, d.Width())
		d.Search(t.Context(), q, 1)
		q[0] = 1
		d.SetMethod(Approximate)
		d.Search(t.Context(), q, min(d.Len(), 3))
		d.Name(0)
	})
}
