// Package checkpoint reads and writes weights: safetensors files, PyTorch's
// checkpoints, and several files as one. A file is data: its header is bounded
// and checked, and nothing in it is executed.
package checkpoint

import (
	"bytes"
	"errors"
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

// foreignSizes are those of formats that files may hold beside what is read.
var foreignSizes = map[DType]int{
	"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "U16": 2, "U32": 4, "U64": 8, "C64": 8, "C128": 16,
}

// readable tells whether tensors of the format can be read. The others do not
// hinder a file from being opened.
func (d DType) readable() bool { return sizes[d] > 0 }

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
func (i Info) Bytes() int64 {
	if !i.DType.readable() {
		return i.end - i.begin
	}
	return int64(i.Shape.Size()) * int64(sizes[i.DType])
}

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
	st, err := os.Stat(path) // before it is opened: a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if err := regular(path, st); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return opened(path, f)
}

// OpenFS is Open for a file of a file system, which is read into memory where
// it cannot be read at any place.
func OpenFS(fsys fs.FS, name string) (*File, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := regular(name, st); err != nil {
		return nil, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	return opened(name, f)
}

// regular wants a file of bytes, not a folder, a pipe or a device.
func regular(path string, st fs.FileInfo) error {
	what := ""
	switch mode := st.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = "a device"
	}
	return fault.Inputf("%s is %s: want a .safetensors or .ckpt file", path, what)
}

// opened takes an open file over.
func opened(name string, f fs.File) (_ *File, err error) {
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := st.Size()
	src, ok := f.(io.ReaderAt)
	if !ok {
		raw, err := io.ReadAll(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		src, size = bytes.NewReader(raw), int64(len(raw))
	}
	file, err := NewFile(name, src, size)
	if err != nil {
		return nil, err
	}
	file.file = f
	if disk, ok := f.(*os.File); ok {
		file.mapped = mapFile(disk, size)
	}
	return file, nil
}

// NewFile opens weights that are in memory or elsewhere.
func NewFile(name string, src io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, min(max(size, 0), kindBytes))
	if n, err := src.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	} else {
		head = head[:n]
	}
	switch {
	case len(head) > 8 && head[8] == '{' && !bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return readSafetensors(name, src, size)
	case bytes.HasPrefix(head, []byte("PK")):
		return readTorch(name, "ckpt (zip)", src, size)
	case len(head) > 1 && head[0] == 0x80 && head[1] <= 5: // a pickle's protocol
		return readTorch(name, "ckpt (legacy)", src, size)
	}
	if what := kindOf(name, head, size); what != "" {
		return nil, fault.Filef("%s is %s", name, what)
	}
	return nil, fault.Filef("%s is neither a safetensors file nor a checkpoint of torch.save: it begins with the bytes % x", name, head[:min(len(head), 16)])
}

func readTorch(name, format string, src io.ReaderAt, size int64) (*File, error) {
	tensors, meta, err := torch.Index(name, src, size)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	f := &File{name: name, src: src, Format: format, entries: map[string]Info{}, meta: meta}
	for _, t := range tensors {
		info := Info{DType: DType(t.DType), Shape: t.Shape, begin: t.Offset, end: t.Limit, strides: t.Strides}
		if contiguous(t.Shape, t.Strides) {
			info.strides = nil
			if info.DType.readable() {
				info.end = info.begin + info.Bytes()
			}
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
