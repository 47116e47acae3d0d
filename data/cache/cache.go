// Package cache keeps arrays that are costly to compute: in memory up to a
// budget, then in a file up to another. What is in the file outlives the
// process, however that ends; it is found again by those that say the same of
// what their arrays depend on.
package cache

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ldm-go/ldm/fault"
)

// Key names an array by what it is computed from, such as the digest of a
// picture's content.
type Key [32]byte

// Options of Open.
type Options struct {
	Memory  int64  // bytes to keep in memory
	Dir     string // folder for the file, which is made; empty: memory alone
	Disk    int64  // bytes that the folder's caches may have together; 0: 64 GiB
	Depends string // what the arrays depend on apart from their keys, such as the digest of a network's weights
}

// Cache keeps arrays. It is safe for concurrent use.
type Cache struct {
	mu     sync.Mutex
	memory map[Key][]float32
	budget int64 // what is left of the memory
	file   *file // none where there is no folder, or another process has it
}

// Stats says where a cache's arrays are.
type Stats struct {
	Memory, Disk int   // arrays
	DiskBytes    int64 // of the file
	Full         error // why the file takes no more, if so
}

// Open makes a cache, and finds what an earlier one with the same Dir and
// Depends has left. If another process has that in use, this one keeps to the
// memory.
func Open(o Options) (*Cache, error) {
	if o.Memory < 0 || o.Disk < 0 {
		return nil, fault.Inputf("a cache of %d bytes in memory and %d on disk: want none below 0", o.Memory, o.Disk)
	}
	c := &Cache{memory: map[Key][]float32{}, budget: o.Memory}
	if o.Dir == "" {
		return c, nil
	}
	if o.Disk == 0 {
		o.Disk = 64 << 30
	}
	var err error
	c.file, err = openFile(o.Dir, o.Depends, o.Disk)
	if errors.Is(err, errInUse) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return c, nil
}

// Get returns an array, which must not be changed.
func (c *Cache) Get(k Key) ([]float32, bool) {
	c.mu.Lock()
	v, ok := c.memory[k]
	c.mu.Unlock()
	if ok || c.file == nil {
		return v, ok
	}
	if v, ok = c.file.get(k); ok {
		c.remember(k, v)
	}
	return v, ok
}

// Put keeps an array, as long as the budgets allow; it must not be changed after.
func (c *Cache) Put(k Key, v []float32) {
	c.remember(k, v)
	if c.file != nil {
		c.file.put(k, v)
	}
}

func (c *Cache) remember(k Key, v []float32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size := int64(4*len(v)) + 64; c.memory[k] == nil && size <= c.budget {
		c.memory[k] = v
		c.budget -= size
	}
}

// Stats counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	s := Stats{Memory: len(c.memory)}
	c.mu.Unlock()
	if c.file != nil {
		s.Disk, s.DiskBytes, s.Full = c.file.stats()
	}
	return s
}

// Close closes the file, and leaves it for the next.
func (c *Cache) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.close()
}
