package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/gofrs/flock"

	"github.com/ldm-go/ldm/fault"
)

// A file is a header and records, each added in one write: a key, the number
// of values, a checksum of all that, and the values. A record that a killed
// process has not finished is at the end, where it is cut off; one that a
// failing disk has damaged does not match its checksum, and counts as none.
const (
	magic      = "ldm cache 1\n"
	headerSize = int64(len(magic)) + sha256.Size
	recordHead = 32 + 4 + 4
	pattern    = "latents-*.cache"
)

var (
	errInUse = errors.New("in use by another process")
	sums     = crc32.MakeTable(crc32.Castagnoli)
)

type file struct {
	f    *os.File
	lock *flock.Flock
	most int64 // bytes

	mu    sync.Mutex
	index map[Key]place
	end   int64
	full  error
}

// place is where an array's values lie.
type place struct {
	at  int64
	n   uint32
	sum uint32
}

func openFile(dir, depends string, most int64) (*file, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fault.As(fault.Input, err)
	}
	id := sha256.Sum256([]byte(depends))
	path := filepath.Join(dir, "latents-"+hex.EncodeToString(id[:8])+".cache")
	lock := flock.New(path + ".lock")
	if ok, err := lock.TryLock(); err != nil {
		return nil, fault.As(fault.Input, err)
	} else if !ok {
		return nil, errInUse
	}
	c := &file{lock: lock, index: map[Key]place{}}
	err := c.load(path, id)
	if err != nil {
		c.close()
		return nil, err
	}
	c.most = most - others(dir, path, most-c.end)
	return c, nil
}

// load opens the file and finds its records.
func (c *file) load(path string, id [sha256.Size]byte) error {
	var err error
	if c.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return fault.As(fault.Input, err)
	}
	st, err := c.f.Stat()
	if err != nil {
		return err
	}
	header := append([]byte(magic), id[:]...)
	found := make([]byte, headerSize)
	if _, err := c.f.ReadAt(found, 0); err != nil || !bytes.Equal(found, header) {
		if err := c.f.Truncate(0); err != nil {
			return err
		}
		c.end = headerSize
		if _, err := c.f.WriteAt(header, 0); err != nil {
			c.full = err // a full disk is no reason to stop
		}
		return nil
	}
	c.end = headerSize
	var head [recordHead]byte
	for c.end+recordHead <= st.Size() {
		if _, err := c.f.ReadAt(head[:], c.end); err != nil {
			break
		}
		p := place{at: c.end + recordHead, n: binary.LittleEndian.Uint32(head[32:]), sum: binary.LittleEndian.Uint32(head[36:])}
		next := p.at + 4*int64(p.n)
		if p.n == 0 || next > st.Size() {
			break
		}
		c.index[Key(head[:32])] = p
		c.end = next
	}
	return c.f.Truncate(c.end)
}

// others removes the oldest files of other dependencies that nobody uses, until
// those that stay fit into room, and returns the bytes of those.
func others(dir, mine string, room int64) int64 {
	paths, _ := filepath.Glob(filepath.Join(dir, pattern))
	type old struct {
		path string
		st   os.FileInfo
	}
	var list []old
	var total int64
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil && path != mine {
			list = append(list, old{path, st})
			total += st.Size()
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].st.ModTime().Before(list[j].st.ModTime()) })
	for _, o := range list {
		if total <= max(room, 0) {
			break
		}
		lock := flock.New(o.path + ".lock")
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		if os.Remove(o.path) == nil {
			total -= o.st.Size()
		}
		lock.Unlock()
		os.Remove(o.path + ".lock")
	}
	return total
}

func (c *file) get(k Key) ([]float32, bool) {
	c.mu.Lock()
	p, ok := c.index[k]
	c.mu.Unlock()
	if !ok {
		return nil, false
	}
	raw := make([]byte, 4*int64(p.n))
	if _, err := c.f.ReadAt(raw, p.at); err != nil || checksum(k, raw) != p.sum {
		c.mu.Lock()
		delete(c.index, k)
		c.mu.Unlock()
		return nil, false
	}
	v := make([]float32, p.n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, true
}

// put adds a record. When the disk is full, the file stays as it is.
func (c *file) put(k Key, v []float32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.index[k]; there || c.full != nil || len(v) == 0 || len(v) > math.MaxInt32 {
		return
	}
	raw := make([]byte, recordHead, recordHead+4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	if c.end+int64(len(raw)) > c.most {
		c.full = fmt.Errorf("the cache's budget of %d bytes on the disk is used up", c.most)
		return
	}
	p := place{at: c.end + recordHead, n: uint32(len(v)), sum: checksum(k, raw[recordHead:])}
	copy(raw, k[:])
	binary.LittleEndian.PutUint32(raw[32:], p.n)
	binary.LittleEndian.PutUint32(raw[36:], p.sum)
	if _, err := c.f.WriteAt(raw, c.end); err != nil {
		c.full = err
		c.f.Truncate(c.end)
		return
	}
	c.index[k] = p
	c.end += int64(len(raw))
}

func checksum(k Key, values []byte) uint32 {
	return crc32.Update(crc32.Checksum(k[:], sums), sums, values)
}

func (c *file) stats() (arrays int, size int64, full error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.index), c.end, c.full
}

func (c *file) close() error {
	var err error
	if c.f != nil {
		err = c.f.Close()
	}
	return errors.Join(err, c.lock.Unlock())
}
