// Package checkpoint reads and writes weights: safetensors files, PyTorch's
// checkpoints, and several files as one. A file is data: its header is bounded
// and checked, and nothing in it is executed.
package checkpoint

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"

	"github.com/ldm-go/ldm/checkpoint/torch"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// DType is how numbers are stored in a file.
type DType string

// The number formats that are read; the first three are written.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	F64  DType = "F64"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

var sizes = map[DType]int{F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, Bool: 1}

// float tells whether the format holds floating-point numbers.
func (d DType) float() bool { return d == F32 || d == F16 || d == BF16 || d == F64 }

// Info describes a stored tensor.
type Info struct {
	DType DType
	Shape tensor.Shape

	begin, end int64 // in the file
	strides    []int // in elements; none where the tensor lies in one piece
}

// Bytes is the size of the tensor's numbers in the file's format.
func (i Info) Bytes() int64 { return int64(i.Shape.Size()) * int64(sizes[i.DType]) }

// File is an open file of weights. Tensors are read one at a time.
type File struct {
	Format  string // safetensors, ckpt (zip) or ckpt (legacy)
	name    string
	src     io.ReaderAt
	file    io.Closer
	mapped  []byte
	entries map[string]Info
	meta    map[string]string
}

// Open opens a safetensors file or a PyTorch checkpoint, whatever its name,
// and checks what it says of its tensors.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file of weights: want a .safetensors or .ckpt file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := NewFile(path, f, st.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.file = f
	file.mapped = mapFile(f, st.Size())
	return file, nil
}

// OpenFS is Open in a file system. A file that cannot be read at any place is
// taken into memory.
func OpenFS(fsys fs.FS, name string) (*File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		err = fault.Filef("%s is not a file of weights: want a .safetensors or .ckpt file", name)
		return nil, err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		raw, readErr := io.ReadAll(f)
		if err = readErr; err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		at = bytes.NewReader(raw)
	}
	file, err := NewFile(name, at, st.Size())
	if err != nil {
		return nil, err
	}
	file.file = f
	return file, nil
}

// NewFile opens weights that are in memory or elsewhere.
func NewFile(name string, src io.ReaderAt, size int64) (*File, error) {
	var head [2]byte
	n, _ := src.ReadAt(head[:], 0)
	switch {
	case n == 2 && string(head[:]) == "PK":
		return readTorch(name, "ckpt (zip)", src, size)
	case n == 2 && head[0] == 0x80 && head[1] <= 5: // a pickle's protocol; a safetensors header of that length has less than 1.4 kB
		if f, err := readSafetensors(name, src, size); err == nil {
			return f, nil
		}
		return readTorch(name, "ckpt (legacy)", src, size)
	}
	return readSafetensors(name, src, size)
}

func readTorch(name, format string, src io.ReaderAt, size int64) (*File, error) {
	tensors, meta, err := torch.Index(name, src, size)
	if err != nil {
		return nil, err
	}
	f := &File{name: name, src: src, Format: format, entries: map[string]Info{}, meta: meta}
	for _, t := range tensors {
		info := Info{DType: DType(t.DType), Shape: t.Shape, begin: t.Offset, end: t.Limit, strides: t.Strides}
		if contiguous(t.Shape, t.Strides) {
			info.strides = nil
			info.end = info.begin + info.Bytes()
		}
		f.entries[t.Name] = info
	}
	return f, nil
}

// contiguous tells whether strides are those of a dense row-major array.
func contiguous(shape, strides []int) bool {
	want := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 && strides[i] != want {
			return shape[i] == 0
		}
		want *= shape[i]
	}
	return true
}

// Name is the path or name the file was opened by.
func (f *File) Name() string { return f.name }

// Names lists the tensors in alphabetical order.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.entries))
	for name := range f.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Info describes a tensor.
func (f *File) Info(name string) (Info, bool) {
	info, ok := f.entries[name]
	return info, ok
}

// Metadata holds the file's free strings.
func (f *File) Metadata() map[string]string { return f.meta }

// Close closes the file. Tensors that View gave must not be used after it.
func (f *File) Close() error {
	unmapFile(f.mapped)
	f.mapped = nil
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
