package xla

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/ldm-go/ldm/engine/xla/pjrt"
)

// cache keeps compiled programs on disk: compiling a network can take minutes, loading
// it takes a moment. An entry that is damaged, or that the plugin refuses, is compiled
// again. A cache that cannot be written is no error.
type cache struct {
	dir      string // "" for none
	most     int64
	identity string
}

func newCache(opt Options, identity string) *cache {
	c := &cache{dir: opt.Cache, most: opt.CacheBytes, identity: identity}
	switch c.dir {
	case "off":
		c.dir = ""
	case "":
		if base, err := os.UserCacheDir(); err == nil {
			c.dir = filepath.Join(base, "ldm", "xla")
		}
	}
	if c.most == 0 {
		c.most = 2 << 30
	}
	return c
}

// magic begins every entry; behind it come the hash of the rest, the program's memory,
// and what the plugin wrote.
const magic = "ldm xla 1\n"

const suffix = ".xla"

func (c *cache) path(text string, options []byte) string {
	h := sha256.New()
	for _, part := range []string{c.identity, string(options), text} {
		fmt.Fprintf(h, "%d\n%s", len(part), part)
	}
	return filepath.Join(c.dir, hex.EncodeToString(h.Sum(nil))+suffix)
}

// read is the content of an entry, if it is whole.
func (c *cache) read(path string) (data []byte, memory pjrt.Memory, ok bool) {
	if c.dir == "" {
		return nil, memory, false
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, memory, false
	}
	rest, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return nil, memory, false
	}
	sum := sha256.Sum256(rest[sha256.Size:])
	if !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return nil, memory, false
	}
	rest = rest[sha256.Size:]
	n, err := binary.Decode(rest, binary.LittleEndian, &memory)
	if err != nil {
		return nil, memory, false
	}
	now := time.Now()
	os.Chtimes(path, now, now) // the oldest are removed first
	return rest[n:], memory, true
}

// write makes an entry, whole or not at all.
func (c *cache) write(path string, data []byte, memory pjrt.Memory) error {
	if c.dir == "" {
		return nil
	}
	rest, err := binary.Append(nil, binary.LittleEndian, memory)
	if err != nil {
		return err
	}
	rest = append(rest, data...)
	sum := sha256.Sum256(rest)
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	for _, part := range [][]byte{[]byte(magic), sum[:], rest} {
		if _, err := f.Write(part); err != nil {
			f.Close()
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	c.shrink()
	return nil
}

// shrink removes what was not used for longest until the rest is within the bound.
func (c *cache) shrink() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var all []file
	var total int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), suffix) {
			all = append(all, file{filepath.Join(c.dir, e.Name()), info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].used.Before(all[j].used) })
	for _, f := range all {
		if total <= c.most {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}

// compile makes an executable of a text, from the cache if it is there.
func (e *Engine) compile(text string) (*pjrt.Executable, pjrt.Memory, error) {
	options := pjrt.CompileOptions{Env: e.env}
	for _, d := range e.devices {
		options.Devices = append(options.Devices, d.ID)
	}
	encoded := options.Encode()
	path := e.cache.path(text, encoded)
	if data, memory, ok := e.cache.read(path); ok {
		if exe, err := e.client.Load(data); err == nil {
			return exe, memory, nil
		}
	}
	start := time.Now()
	exe, err := e.client.Compile(text, encoded)
	if err != nil {
		return nil, pjrt.Memory{}, e.failure(err)
	}
	memory, err := exe.Memory()
	if err != nil {
		e.log(fmt.Sprintf("the plugin does not say what memory a program takes: %v", err))
	}
	if took := time.Since(start); took > 2*time.Second {
		e.log(fmt.Sprintf("compiled a program in %.1f s", took.Seconds()))
	}
	data, err := exe.Serialise()
	if err == nil {
		err = e.cache.write(path, data, memory)
	}
	if err != nil {
		e.log(fmt.Sprintf("a compiled program was not kept on disk: %v", err))
	}
	return exe, memory, nil
}

// fileStamp tells one release of a plugin from another.
func fileStamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().Unix())
}

// processor names the processor where programs are made of its instructions, which
// another that shares the folder may not have.
func processor(platform string) string {
	if platform != "cpu" && platform != "host" {
		return ""
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		name, _ := os.Hostname()
		return runtime.GOARCH + " " + name
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, ":"); strings.HasPrefix(name, "model name") || strings.HasPrefix(name, "flags") || strings.HasPrefix(name, "Features") {
			out.WriteString(line)
		}
		if strings.TrimSpace(line) == "" { // the first processor is like the others
			break
		}
	}
	return out.String()
}
