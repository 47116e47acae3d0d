package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/tensor"
)

// Set is several files of weights under other names: the parts of a folder,
// each in one file or several shards.
type Set struct {
	name   string
	rename func(name string) (part string, names []string, ok bool)
	parts  map[string][]*File
}

// NewSet makes an empty set. For a name of a tensor, rename gives the part it
// is in and the names it may have there.
func NewSet(name string, rename func(string) (part string, names []string, ok bool)) *Set {
	return &Set{name, rename, map[string][]*File{}}
}

// Add adds a file to a part. The set closes it.
func (s *Set) Add(part string, f *File) { s.parts[part] = append(s.parts[part], f) }

// find looks a tensor up.
func (s *Set) find(name string) (f *File, stored string, ok bool) {
	part, names, ok := s.rename(name)
	if !ok {
		return nil, "", false
	}
	for _, stored := range names {
		for _, f := range s.parts[part] {
			if _, ok := f.Info(stored); ok {
				return f, stored, true
			}
		}
	}
	return nil, "", false
}

// Name is the folder's.
func (s *Set) Name() string { return s.name }

// Names lists the tensors as the files name them, as part/name.
func (s *Set) Names() []string {
	var all []string
	for _, part := range slices.Sorted(maps.Keys(s.parts)) {
		for _, f := range s.parts[part] {
			for _, name := range f.Names() {
				all = append(all, part+"/"+name)
			}
		}
	}
	return all
}

// Info describes a tensor, by the name that leads to it or by that in the files,
// as part/name.
func (s *Set) Info(name string) (Info, bool) {
	if f, stored, ok := s.find(name); ok {
		return f.Info(stored)
	}
	part, stored, _ := strings.Cut(name, "/")
	for _, f := range s.parts[part] {
		if info, ok := f.Info(stored); ok {
			return info, true
		}
	}
	return Info{}, false
}

// Read reads a tensor into memory of its own.
func (s *Set) Read(name string) (*tensor.Tensor, error) { return s.get(name, (*File).Read) }

// View is Read without a copy where that is possible.
func (s *Set) View(name string) (*tensor.Tensor, error) { return s.get(name, (*File).View) }

func (s *Set) get(name string, read func(*File, string) (*tensor.Tensor, error)) (*tensor.Tensor, error) {
	f, stored, ok := s.find(name)
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %s", s.name, name)
	}
	return read(f, stored)
}

// Release tells the system that the pages of a view are not needed for now.
func (s *Set) Release(t *tensor.Tensor) {
	for _, files := range s.parts {
		for _, f := range files {
			f.Release(t)
		}
	}
}

// Metadata is empty: the files' own says nothing of the whole.
func (s *Set) Metadata() map[string]string { return nil }

// Close closes the files.
func (s *Set) Close() error {
	var errs []error
	for _, files := range s.parts {
		for _, f := range files {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
