// Package lora reads small changes of a model's weights, whoever wrote them, and
// adds them to the weights.
//
// A LoRA (Hu et al., arXiv 2106.09685) changes a weight W by
//
//	W' = W + s·scale·up·down
//
// where down has few rows, the rank, and scale is alpha/rank. Read are the forms of
// kohya-ss, diffusers (old and new), PEFT and cloneofsimo/lora, and the other
// changes that LyCORIS knows as sums: LoCon, LoHa, LoKr, whole differences, and
// DoRA, which scales the changed rows. What a file changes follows from a table of
// all names that a model's modules have in these programs; names are not parsed.
package lora

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// maxTensors bounds the tensors of a file; that of the largest model has some
// thousands.
const maxTensors = 1 << 16

// Adapter is an open file of changes.
type Adapter struct {
	file    *checkpoint.File
	modules []*module // sorted by name
	rest    []string  // names that are none of a change
	ordered []ordered // of cloneofsimo/lora, which counts modules
	scales  scales
}

// module is a module as a file names it, with the tensors of its change.
type module struct {
	name string
	keys map[part]string
}

// Open opens a file of changes, .safetensors or one of torch.save. Nothing in it
// is executed, and its numbers are read when they are merged.
func Open(path string) (*Adapter, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	return opened(f, os.DirFS(filepath.Dir(path)))
}

// OpenFS is Open for a file of a file system, such as one that is embedded in a program.
func OpenFS(fsys fs.FS, name string) (*Adapter, error) {
	f, err := checkpoint.OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(fsys, path.Dir(name))
	if err != nil {
		f.Close()
		return nil, err
	}
	return opened(f, dir)
}

// opened makes an adapter of a file, which lies in a folder.
func opened(f *checkpoint.File, dir fs.FS) (*Adapter, error) {
	a, err := newAdapter(f)
	if err == nil {
		a.scales, err = readScales(f.Metadata(), dir, a.isPEFT())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

// newAdapter sorts the names of a file.
func newAdapter(f *checkpoint.File) (*Adapter, error) {
	names := f.Names()
	if len(names) > maxTensors {
		return nil, fault.Filef("%s has %d tensors, more than any adapter (%d)", f.Name(), len(names), maxTensors)
	}
	for _, other := range foreign {
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, other.piece) }) {
			return nil, fault.Unsupportedf("%s is %s, which is not supported: want a LoRA, LoCon, LoHa, LoKr, DoRA or differences", f.Name(), other.what)
		}
	}
	a := &Adapter{file: f}
	modules := map[string]*module{}
	for _, name := range names {
		key, p, ok := split(name)
		if !ok {
			a.rest = append(a.rest, name)
			continue
		}
		m := modules[key]
		if m == nil {
			m = &module{key, map[part]string{}}
			modules[key] = m
		}
		if first, twice := m.keys[p]; twice {
			return nil, fault.Filef("%s: %q and %q are both the %s of one module: want one adapter in a file", f.Name(), first, name, p)
		}
		m.keys[p] = name
	}
	for _, key := range slices.Sorted(maps.Keys(modules)) {
		a.modules = append(a.modules, modules[key])
	}
	if len(a.modules) == 0 {
		if a.ordered, a.rest = countedModules(a.rest); len(a.ordered) == 0 {
			return nil, fault.Filef("%s holds no changes of weights (%d tensors, such as %s): want a LoRA, LoCon, LoHa, LoKr, DoRA or differences",
				f.Name(), len(names), strconv.Quote(first(names)))
		}
	}
	return a, nil
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func (a *Adapter) isPEFT() bool {
	return slices.ContainsFunc(a.modules, func(m *module) bool { return strings.HasPrefix(m.name, "base_model.model.") })
}

// Name is the path that the adapter was opened by.
func (a *Adapter) Name() string { return a.file.Name() }

// Close closes the file.
func (a *Adapter) Close() error { return a.file.Close() }

// shape is the shape of a part, nil if the module has none.
func (a *Adapter) shape(m *module, p part) tensor.Shape {
	key, ok := m.keys[p]
	if !ok {
		return nil
	}
	info, _ := a.file.Info(key)
	if info.Shape == nil {
		return tensor.Shape{}
	}
	return info.Shape
}

// read reads a part.
func (a *Adapter) read(m *module, p part) ([]float32, error) {
	t, err := a.file.Read(m.keys[p])
	if err != nil {
		return nil, err
	}
	if t.F32 == nil && t.I32 != nil && p == alpha {
		return []float32{float32(t.I32[0])}, nil
	}
	if t.F32 == nil && t.Shape.Size() > 0 {
		return nil, fault.Filef("%s: %q is of integers", a.Name(), m.keys[p])
	}
	for i, v := range t.F32 {
		if v-v != 0 {
			return nil, fault.Filef("%s: %q: element %d is %g", a.Name(), m.keys[p], i, v)
		}
	}
	return t.F32, nil
}

// scale is what the product of a module's factors is multiplied by: alpha/rank,
// and 1 where nothing says alpha.
func (a *Adapter) scale(m *module, rank int) (float32, error) {
	if _, ok := m.keys[alpha]; !ok {
		return a.scales.of(m.name, rank), nil
	}
	if n := a.shape(m, alpha).Size(); n != 1 {
		return 0, fault.Filef("%s: %q has %d elements: want one", a.Name(), m.keys[alpha], n)
	}
	v, err := a.read(m, alpha)
	if err != nil {
		return 0, err
	}
	return v[0] / float32(rank), nil
}

// bad is the error of a module's part.
func (a *Adapter) bad(m *module, p part, format string, args ...any) error {
	return fault.Filef("%s: %q %w", a.Name(), m.keys[p], fmt.Errorf(format, args...))
}
