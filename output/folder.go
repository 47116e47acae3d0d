package output

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/fault"
)

// Folder makes a folder that appears at path only when fill has put everything
// into it, under another name beside it. A path that is there already is an
// error, unless it is an empty folder.
func Folder(path string, fill func(dir string) error) (err error) {
	if path == "" {
		return errEmpty
	}
	path = filepath.Clean(path)
	if err := vacant(path); err != nil {
		return err
	}
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return fault.As(fault.Input, err)
	}
	cleanOnce(parent)
	tmp := filepath.Join(parent, fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), rand.Uint32()))
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return fault.As(fault.Input, err)
	}
	defer os.RemoveAll(tmp)
	if held, openErr := os.Open(tmp); openErr == nil {
		lock(held)
		defer held.Close()
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := vacant(path); err != nil {
		return err
	}
	os.Remove(path) // an empty folder
	return os.Rename(tmp, path)
}

// vacant is an error unless a folder can be made at path.
func vacant(path string) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil || len(entries) > 0:
		return fault.Inputf("%s is there already: remove it or choose another folder", path)
	}
	return nil
}
