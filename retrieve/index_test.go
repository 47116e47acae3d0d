package retrieve

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/tensor"
)

// clustered are vectors around some centres, as those of pictures are.
func clustered(n, width, centres int, seed uint64) *tensor.Tensor {
	x, c := nettest.Random(seed, n, width), nettest.Random(seed+1, centres, width)
	for i := range n {
		row := x.Row(i).F32
		for j, v := range c.Row(i * 7 % centres).F32 {
			row[j] = v + 0.5*row[j]
		}
	}
	return x
}

// recall is the share of the exact neighbours that are found by the index.
func recall(t testing.TB, d *Database, queries *tensor.Tensor, k int) float64 {
	t.Helper()
	found := 0
	for i := range queries.Shape[0] {
		q := queries.Row(i).F32
		want := search(t, d, Exact, q, k)
		for _, n := range search(t, d, Approximate, q, k) {
			if slices.ContainsFunc(want, func(w Neighbour) bool { return w.Index == n.Index }) {
				found++
			}
		}
	}
	return float64(found) / float64(k*queries.Shape[0])
}

func search(t testing.TB, d *Database, m Method, q []float32, k int) []Neighbour {
	t.Helper()
	if err := d.SetMethod(m); err != nil {
		t.Fatal(err)
	}
	near, err := d.Search(t.Context(), q, k)
	if err != nil {
		t.Fatal(err)
	}
	return near
}

// TestIndex: by the index nearly all neighbours are found, the same ones whenever it is made
// and once it was written and read; only where the database is large or it is asked for.
func TestIndex(t *testing.T) {
	const n, width, k = 3000, 32, 10
	made := func() *Database {
		d, err := New(clustered(n, width, 40, 3), nil, "clip.pt")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := made()
	if err := d.SetMethod(Approximate); err == nil {
		t.Error("a database without an index is searched by it")
	}
	if err := d.Index(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	queries := clustered(50, width, 40, 9)
	if r := recall(t, d, queries, k); r < 0.95 {
		t.Errorf("%.1f %% of the neighbours are found", 100*r)
	} else {
		t.Logf("%.1f %% of the neighbours are found", 100*r)
	}
	if d.SetMethod(Auto); d.approximately() {
		t.Error("a small database is searched approximately without being asked")
	}
	path := filepath.Join(t.TempDir(), "db.safetensors")
	if err := d.Save(path, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	read, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again := made()
	if err := again.Index(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for i := range queries.Shape[0] {
		q := queries.Row(i).F32
		want := search(t, d, Approximate, q, k)
		if !slices.Equal(search(t, read, Approximate, q, k), want) || !slices.Equal(search(t, again, Approximate, q, k), want) {
			t.Fatal("the neighbours depend on when the index was made, or on the file")
		}
	}
	if a, err := Look(path); err != nil || !a.Index || a.Pictures != n || a.Width != width || a.Encoder != "clip.pt" || a.Named {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestBrokenIndex: an index that leads astray is refused.
func TestBrokenIndex(t *testing.T) {
	d, err := New(clustered(40, 4, 3, 5), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Index(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(map[string]*tensor.Tensor)
		want   string
	}{
		"beyond the pictures": {func(m map[string]*tensor.Tensor) { m[nameMembers].I32[0] = 40 }, "not there"},
		"below them":          {func(m map[string]*tensor.Tensor) { m[nameMembers].I32[0] = -1 }, "not there"},
		"twice":               {func(m map[string]*tensor.Tensor) { m[nameMembers].I32[0] = m[nameMembers].I32[1] }, "in two lists"},
		"starts":              {func(m map[string]*tensor.Tensor) { m[nameStarts].I32[1] = 1 << 30 }, "no lists of 40"},
		"the first start":     {func(m map[string]*tensor.Tensor) { m[nameStarts].I32[0] = -1 }, "no lists of 40"},
		"members":             {func(m map[string]*tensor.Tensor) { m[nameMembers] = tensor.NewInt(3) }, "no lists of 40"},
		"without members":     {func(m map[string]*tensor.Tensor) { delete(m, nameMembers) }, nameMembers},
		"too many":            {func(m map[string]*tensor.Tensor) { m[nameStarts] = tensor.NewInt(99) }, "at most one more"},
		"centres":             {func(m map[string]*tensor.Tensor) { m[nameCentres] = tensor.New(2, 4) }, "want [25, 4]"},
		"floats":              {func(m map[string]*tensor.Tensor) { m[nameMembers] = tensor.New(40) }, "no lists of 40"},
	} {
		x := &index{d.index.centres, slices.Clone(d.index.starts), slices.Clone(d.index.members)}
		tensors := map[string]*tensor.Tensor{nameVectors: d.Vectors}
		x.write(tensors)
		c.change(tensors)
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// BenchmarkSearch compares the methods on many vectors.
func BenchmarkSearch(b *testing.B) {
	const n, width, k = 100_000, 256, 10
	d, err := New(clustered(n, width, 500, 3), nil, "")
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Index(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	queries := clustered(64, width, 500, 9)
	b.Logf("recall of %d: %.4f", k, recall(b, d, queries, k))
	for _, m := range []Method{Exact, Approximate} {
		b.Run(string(m), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				search(b, d, m, queries.Row(i%64).F32, k)
			}
		})
	}
}
