package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ldm-go/ldm/serve/job"
)

// Files keeps blobs as files, a folder for each job.
type Files struct{ Dir string }

// path is the file of a blob; names come from the program, ids are checked.
func (f Files) path(id, name string) (string, error) {
	if !job.ValidID(id) || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%w: blob %q of %q", ErrNotFound, name, id)
	}
	return filepath.Join(f.Dir, id, name), nil
}

// Put implements Blobs: the file, its name and its folder are on the disk when
// it returns.
func (f Files) Put(_ context.Context, id, name string, data []byte) error {
	path, err := f.path(id, name)
	if err != nil {
		return err
	}
	return noSpace(f.put(path, data))
}

func (f Files) put(path string, data []byte) error {
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
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	for _, dir := range []string{folder, f.Dir} {
		if d, err := os.Open(dir); err == nil { // make the new names durable
			d.Sync()
			d.Close()
		}
	}
	return nil
}

// noSpace tells a full disk from other errors.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// Get implements Blobs.
func (f Files) Get(_ context.Context, id, name string) ([]byte, error) {
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
func (f Files) DeleteAll(_ context.Context, id string) error {
	if !job.ValidID(id) {
		return nil
	}
	return os.RemoveAll(filepath.Join(f.Dir, id))
}

// Sizes implements Blobs.
func (f Files) Sizes(ctx context.Context) (map[string]int64, error) {
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
