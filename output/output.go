// Package output writes files as a person expects it of a program: in one
// atomic step, through links, into devices and pipes without replacing them,
// with the permissions that the umask leaves, and in folders that need not
// exist before.
package output

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Write fills the file at path. A regular file holds either what it held before
// or all that is new: it is written under another name beside it, flushed to
// the disk, and renamed. "-" and /dev/stdout are the standard output; devices
// and pipes are written directly. Missing folders are made.
func Write(path string, fill func(io.Writer) error) error {
	if path == "" {
		return errEmpty
	}
	if isStdout(path) {
		return direct(os.Stdout, path, fill)
	}
	target, special, err := resolve(path)
	if err != nil {
		return err
	}
	if special {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fault.As(fault.Input, err)
		}
		err = direct(f, path, fill)
		return errors.Join(err, named(path, f.Close()))
	}
	return replace(target, fill)
}

// Check says before any work whether Write could write to path: an empty name,
// a folder, and a place where nothing may be written are errors.
func Check(path string) error {
	if path == "" {
		return errEmpty
	}
	if isStdout(path) {
		return nil
	}
	target, special, err := resolve(path)
	if err != nil || special {
		return err
	}
	dir := filepath.Dir(target)
	for {
		st, err := os.Stat(dir)
		switch {
		case err == nil && !st.IsDir():
			return fault.Inputf("%s cannot be written: %s is not a folder", path, dir)
		case err == nil && !writable(dir):
			return fault.Inputf("%s cannot be written: no permission to write in the folder %s", path, dir)
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return fault.Inputf("%s cannot be written: %w", path, err)
		}
		dir = filepath.Dir(dir) // Write makes the folders that are missing
	}
}

var errEmpty = fault.Inputf("the name of the file to write is empty")

func isStdout(path string) bool {
	switch path {
	case "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return true
	}
	return false
}

// Stream tells whether a path names an open file of this process, or a place of
// the system, rather than a file that people keep: writing there replaces
// nothing.
func Stream(path string) bool {
	return isStdout(path) || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

// resolve follows links to the file that is meant, which need not exist, and
// says whether it is special: there, and no regular file.
func resolve(path string) (target string, special bool, err error) {
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, string(filepath.Separator)) {
		return "", false, fault.Inputf("%s is a folder: name a file in it", path)
	}
	st, err := os.Stat(path)
	switch {
	case err == nil && st.IsDir():
		return "", false, fault.Inputf("%s is a folder: name a file in it", path)
	case err == nil && (!st.Mode().IsRegular() || Stream(path)):
		return path, true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", false, fault.Inputf("%s cannot be written: %w", path, err)
	}
	const most = 40 // links, as the kernel has it
	target = path
	for range most {
		link, err := os.Readlink(target)
		if err != nil {
			return target, false, nil // no link: the place itself
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(target), link)
		}
		if strings.HasPrefix(link, "/proc/") || strings.HasPrefix(link, "/dev/fd/") {
			return path, true, nil // an open file, of which the name says nothing
		}
		target = link
	}
	return "", false, fault.Inputf("%s cannot be written: a circle of links", path)
}

func direct(f *os.File, path string, fill func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, 1<<16)
	if err := fill(w); err != nil {
		return named(path, err)
	}
	return named(path, w.Flush())
}

// replace writes a regular file beside its place and renames it.
func replace(path string, fill func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fault.As(fault.Input, err)
	}
	cleanOnce(dir)
	tmp, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if st, statErr := os.Stat(path); statErr == nil {
		if err = tmp.Chmod(st.Mode().Perm()); err != nil {
			return named(path, err)
		}
	}
	if err = direct(tmp, path, fill); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return named(path, err)
	}
	if err = tmp.Close(); err != nil {
		return named(path, err)
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if d, openErr := os.Open(dir); openErr == nil { // make the new name durable
		d.Sync()
		d.Close()
	}
	return nil
}

func named(path string, err error) error {
	if err == nil || strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}
