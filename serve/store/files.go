package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ldm-go/ldm/serve/job"
)

// Files keeps blobs as files, a folder for each job.
type Files struct {
	Dir string

	mu    sync.Mutex
	fresh map[string]bool // files that were written, and not yet put on the disk
}

// settle is how long files that were written wait for others to be put on the disk with.
const settle = 500 * time.Millisecond

// path is the file of a blob; names come from the program, ids are checked.
func (f *Files) path(id, name string) (string, error) {
	if !job.ValidID(id) || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%w: blob %q of %q", ErrNotFound, name, id)
	}
	return filepath.Join(f.Dir, id, name), nil
}

// Put implements Blobs: the file, its name and its folder are on the disk when
// it returns.
func (f *Files) Put(_ context.Context, id, name string, data []byte) error {
	path, err := f.path(id, name)
	if err != nil {
		return err
	}
	if err := f.write(path, data, true); err != nil {
		return noSpace(err)
	}
	syncFolder(filepath.Dir(path))
	syncFolder(f.Dir)
	return nil
}

// Write implements Blobs: the whole file is there under its name when it returns, and
// on the disk a moment later.
func (f *Files) Write(_ context.Context, id, name string, data []byte) error {
	path, err := f.path(id, name)
	if err != nil {
		return err
	}
	if err := f.write(path, data, false); err != nil {
		return noSpace(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fresh == nil {
		f.fresh = map[string]bool{}
	}
	if f.fresh[path] = true; len(f.fresh) == 1 {
		time.AfterFunc(settle, func() { f.Flush() })
	}
	return nil
}

// Flush puts on the disk what was written and is not there yet.
func (f *Files) Flush() error {
	f.mu.Lock()
	fresh := f.fresh
	f.fresh = nil
	f.mu.Unlock()
	folders := map[string]bool{f.Dir: true}
	var errs []error
	for path := range fresh {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			err = file.Sync()
			file.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) { // removed in between
			errs = append(errs, err)
		}
		folders[filepath.Dir(path)] = true
	}
	for dir := range folders {
		syncFolder(dir)
	}
	return errors.Join(errs...)
}

// write makes a file under its whole name or not at all, synchronised on wish.
func (f *Files) write(path string, data []byte, durable bool) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(folder, ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil && durable {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// syncFolder makes names in a folder durable, on systems where that is to be asked for.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// noSpace tells a full disk from other errors.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// Get implements Blobs.
func (f *Files) Get(_ context.Context, id, name string) ([]byte, error) {
	path, err := f.path(id, name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: blob %q of %q", ErrNotFound, name, id)
	}
	return data, err
}

// DeleteAll implements Blobs.
func (f *Files) DeleteAll(_ context.Context, id string) error {
	if !job.ValidID(id) {
		return nil
	}
	return os.RemoveAll(filepath.Join(f.Dir, id))
}

// Sizes implements Blobs.
func (f *Files) Sizes(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	folders, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return sizes, nil
	}
	for _, folder := range folders {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !job.ValidID(folder.Name()) {
			continue
		}
		sizes[folder.Name()] = 0
		files, _ := os.ReadDir(filepath.Join(f.Dir, folder.Name()))
		for _, file := range files {
			if st, err := file.Info(); err == nil {
				sizes[folder.Name()] += st.Size()
			}
		}
	}
	return sizes, err
}
