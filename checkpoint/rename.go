package checkpoint

import (
	"maps"
	"slices"

	"github.com/ldm-go/ldm/tensor"
)

// renamed is a reader whose tensors have other names.
type renamed struct {
	Reader
	stored map[string]string // by the new name
}

// Rename gives tensors other names: names leads from those of the reader to the
// new ones. A tensor that is not among them is not seen any more.
func Rename(r Reader, names map[string]string) Reader {
	stored := make(map[string]string, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) { // of two with one new name, the first
		if _, taken := stored[names[name]]; !taken {
			stored[names[name]] = name
		}
	}
	return &renamed{r, stored}
}

func (r *renamed) Names() []string { return slices.Sorted(maps.Keys(r.stored)) }

func (r *renamed) Stored(name string) (string, bool) {
	_, ok := r.stored[name]
	return name, ok
}

func (r *renamed) Info(name string) (Info, bool) {
	stored, ok := r.stored[name]
	if !ok {
		return Info{}, false
	}
	return r.Reader.Info(stored)
}

func (r *renamed) Read(name string) (*tensor.Tensor, error) { return r.Reader.Read(r.was(name)) }

func (r *renamed) View(name string) (*tensor.Tensor, error) { return r.Reader.View(r.was(name)) }

// was is the name that a tensor had, or what is asked for, where there is none.
func (r *renamed) was(name string) string {
	if stored, ok := r.stored[name]; ok {
		return stored
	}
	return name + " (under another name)"
}
