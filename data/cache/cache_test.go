package cache

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func array(i int) []float32 { return []float32{float32(i), float32(i) / 3, -1} }

func fill(t *testing.T, o Options, from, to int) *Cache {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		c.Put(Key{byte(i), byte(i >> 8)}, array(i))
	}
	return c
}

// have counts the arrays that are there, and wants them right.
func have(t *testing.T, c *Cache) int {
	t.Helper()
	n := 0
	for i := range 300 {
		v, ok := c.Get(Key{byte(i), byte(i >> 8)})
		if ok {
			n++
		}
		if ok && !slices.Equal(v, array(i)) {
			t.Errorf("array %d is %v", i, v)
		}
	}
	return n
}

func TestMemory(t *testing.T) {
	c := fill(t, Options{Memory: 10 * (12 + 64)}, 0, 20)
	if n := have(t, c); n != 10 {
		t.Errorf("%d arrays in a budget for 10", n)
	}
}

func TestDisk(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "new"), Depends: "a"}
	c := fill(t, o, 0, 100)
	if n := have(t, c); n != 100 {
		t.Errorf("%d of 100 arrays", n)
	}
	second := fill(t, o, 0, 0) // while the first has it
	if n := have(t, second); n != 0 || second.file != nil {
		t.Error("two have the file")
	}
	c.Close()
	c = fill(t, o, 100, 150)
	if n := have(t, c); n != 150 {
		t.Errorf("%d arrays later", n)
	}
	c.Close()
	o.Depends = "b"
	c = fill(t, o, 0, 0)
	if n := have(t, c); n != 0 {
		t.Errorf("%d arrays of another dependency", n)
	}
	c.Close()
}

// TestKilled: whatever of the file was written when the process was killed, the
// whole records before that are there, and it goes on.
func TestKilled(t *testing.T) {
	o := Options{Dir: t.TempDir(), Depends: "a"}
	fill(t, o, 0, 10).Close()
	paths, _ := filepath.Glob(filepath.Join(o.Dir, pattern))
	whole, _ := os.ReadFile(paths[0])
	const record = recordHead + 12
	for size := range len(whole) + 1 {
		os.WriteFile(paths[0], whole[:size], 0o666)
		c := fill(t, o, 0, 0)
		want := max(size-int(headerSize), 0) / record
		if n := have(t, c); n != want {
			t.Fatalf("%d arrays in %d bytes, want %d", n, size, want)
		}
		c.Put(Key{200}, array(200))
		c.Close()
		c = fill(t, o, 0, 0)
		if n := have(t, c); n != want+1 {
			t.Fatalf("%d arrays after one more, want %d", n, want+1)
		}
		c.Close()
	}
	// A damaged byte costs one record; zeros at the end, as after a power cut, none.
	damaged := slices.Clone(whole)
	damaged[headerSize+3*record+recordHead+2] ^= 1
	os.WriteFile(paths[0], append(damaged, make([]byte, 500)...), 0o666)
	c := fill(t, o, 0, 0)
	defer c.Close()
	if n := have(t, c); n != 9 {
		t.Errorf("%d arrays of 10 with one damaged", n)
	}
	c.Put(Key{3}, array(3))
	if n := have(t, c); n != 10 {
		t.Errorf("%d arrays after it was made again", n)
	}
}

func TestDiskBudget(t *testing.T) {
	const record = recordHead + 12
	o := Options{Dir: t.TempDir(), Depends: "a", Disk: int64(headerSize) + 10*record}
	c := fill(t, o, 0, 20)
	if n := have(t, c); n != 10 || c.Stats().Full == nil {
		t.Errorf("%d arrays in a budget for 10; %+v", n, c.Stats())
	}
	c.Close()
	o.Depends = "b" // the older file makes room
	c = fill(t, o, 0, 20)
	defer c.Close()
	if n := have(t, c); n != 10 {
		t.Errorf("%d arrays of the newer cache", n)
	}
}
