// Package files gives one view of where data sets lie: a folder, a zip file,
// tar files (also of gzip), or several of those shards as one set.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Tree is a list of files, without those that systems leave in folders for
// themselves.
type Tree struct {
	Files  []File // in the order of their shards and names
	Hidden int    // how many were left out, folders counted once
	Shards int    // archives that the files come from; 0 for a folder

	root    string
	index   map[string]int
	closers []io.Closer
}

// File is one of a tree.
type File struct {
	Name  string // its path in the folder or archive, with slashes
	Shard string // the archive's path, of several; otherwise empty
	Size  int64

	real string // where it lies, for a person
	open func() (Reader, error)
}

// Reader reads at any place of a file.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Path says where a file lies, for messages.
func (f File) Path() string { return f.real }

// Key names a file apart from all others of the tree.
func (f File) Key() string { return key(f.Shard, f.Name) }

func key(shard, name string) string {
	if shard == "" {
		return name
	}
	return shard + "\x00" + name
}

// Open opens a file for reading at any place.
func (f File) Open() (Reader, error) {
	r, err := f.open()
	return r, fault.As(fault.File, err)
}

// Read returns what a file holds; above most bytes it is refused.
func (f File) Read(most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > most {
		return nil, fault.Filef("%s has %d bytes: want at most %d", f.real, r.Size(), most)
	}
	raw := make([]byte, r.Size())
	if _, err := r.ReadAt(raw, 0); err != nil && !(errors.Is(err, io.EOF) && len(raw) == 0) {
		return nil, fault.As(fault.File, fmt.Errorf("%s: %w", f.real, err))
	}
	return raw, nil
}

// Open lists what lies at a place: a folder and all below it; a zip, tar,
// tar.gz or tgz file; several of them by a pattern ("shard-{000..009}.tar",
// "shards/*.tar"); or a folder that holds nothing else but such files. Links
// are followed; a circle of links ends where it closes.
func Open(place string) (*Tree, error) {
	paths, err := expand(place)
	if err != nil {
		return nil, err
	}
	t := &Tree{root: place}
	switch {
	case len(paths) > 1 || IsArchive(paths[0]):
		err = t.addArchives(paths)
	default:
		st, statErr := os.Stat(paths[0])
		switch {
		case statErr != nil:
			return nil, fault.As(fault.Input, statErr)
		case !st.IsDir():
			return nil, fault.Inputf("%s is neither a folder nor an archive (.zip, .tar, .tar.gz, .tgz)", place)
		}
		if err = t.addFolder(paths[0]); err == nil {
			err = t.unfold()
		}
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	t.index = make(map[string]int, len(t.Files))
	for i, f := range t.Files {
		t.index[f.Key()] = i
	}
	return t, nil
}

// unfold replaces a folder's archives by what they hold, if there is no picture
// or other data beside them.
func (t *Tree) unfold() error {
	var archives []string
	for _, f := range t.Files {
		switch ext := strings.ToLower(path.Ext(f.Name)); {
		case IsArchive(f.Name):
			archives = append(archives, f.real)
		case slices.Contains([]string{".md", ".txt", ".json", ".yaml", ".yml", ".gitattributes", ""}, ext): // notes beside the shards
		default:
			return nil
		}
	}
	if len(archives) == 0 {
		return nil
	}
	t.Files = nil
	return t.addArchives(archives)
}

// Lookup finds a file by its shard and name; parts ".." are resolved.
func (t *Tree) Lookup(shard, name string) (File, bool) {
	i, ok := t.index[key(shard, path.Clean(name))]
	if !ok {
		return File{}, false
	}
	return t.Files[i], true
}

// Close closes the archives.
func (t *Tree) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	t.closers = nil
	return errors.Join(errs...)
}

// hidden says of a name that it is of no concern to a data set: files that
// begin with a dot, and what Mac, Windows, notebooks and disk stations leave.
func hidden(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	switch strings.ToLower(name) {
	case "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin",
		"system volume information", "lost+found", "__pycache__":
		return true
	}
	return false
}

// hiddenPath says so of any part of a path.
func hiddenPath(name string) bool { return slices.ContainsFunc(strings.Split(name, "/"), hidden) }

// osFile is a file on the disk.
type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

func openFile(name string) (Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fault.Filef("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return osFile{f, st.Size()}, nil
}

// part is a piece of an open file.
type part struct{ *io.SectionReader }

func (part) Close() error { return nil }

// memory is a file's content.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// Missing is a file that is named beside another one, and is not there.
func Missing(beside File, name string) File {
	f := File{Name: name, Shard: beside.Shard}
	f.real = strings.TrimSuffix(beside.real, beside.Name) + name
	f.open = func() (Reader, error) { return nil, fmt.Errorf("%s: %w", f.real, os.ErrNotExist) }
	return f
}
