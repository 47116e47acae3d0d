package output

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/ldm-go/ldm/fault"
)

// temporary matches the names of files that are being written.
var temporary = regexp.MustCompile(`^\..+\.[0-9]+\.tmp$`)

// create opens a new file beside path and locks it for as long as it is open,
// so that Clean of another process leaves it alone.
func create(path string) (*os.File, error) {
	for {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), rand.Uint32()))
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fault.As(fault.Input, err)
		}
		lock(f)
		mine, err := f.Stat()
		if st, statErr := os.Stat(name); err == nil && statErr == nil && os.SameFile(st, mine) {
			return f, nil
		}
		f.Close() // another process cleaned it away before it was locked
	}
}

var cleaned sync.Map // folders

// cleanOnce cleans a folder at this process's first write to it.
func cleanOnce(dir string) {
	if _, done := cleaned.LoadOrStore(dir, true); !done {
		Clean(dir)
	}
}

// Clean removes what writes that were killed have left in a folder.
func Clean(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.Type().IsRegular() && !e.IsDir() || !temporary.MatchString(e.Name()) {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if free(f) {
			os.RemoveAll(name)
		}
		f.Close()
	}
}
