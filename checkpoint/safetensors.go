// Package checkpoint reads and writes weights as safetensors files. A file is
// data: its header is bounded and checked, and nothing in it is executed.
package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"

	"github.com/ldm-go/ldm/tensor"
)

// maxHeader bounds the JSON header, as the format's reference does.
const maxHeader = 100 << 20

// DType is how numbers are stored in a file.
type DType string

// The number formats of safetensors that are read; the first three are written.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	F64  DType = "F64"
	I64  DType = "I64"
	I32  DType = "I32"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

var sizes = map[DType]int{F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4, U8: 1, Bool: 1}

// Info describes a stored tensor.
type Info struct {
	DType DType
	Shape tensor.Shape

	begin, end int64 // in the data
}

// File is an open safetensors file. Tensors are read one at a time.
type File struct {
	name    string
	src     io.ReaderAt
	closer  io.Closer
	data    int64 // where the data begins
	entries map[string]Info
	meta    map[string]string
}

// Open opens a file and checks its header.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = fmt.Errorf("%s is a folder, not a safetensors file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := read(path, f, st.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// NewFile opens safetensors data that is in memory or elsewhere.
func NewFile(name string, src io.ReaderAt, size int64) (*File, error) { return read(name, src, size) }

func read(name string, src io.ReaderAt, size int64) (*File, error) {
	fail := func(format string, args ...any) (*File, error) {
		return nil, fmt.Errorf("%s: not a sound safetensors file: %w", name, fmt.Errorf(format, args...))
	}
	var head [8]byte
	if _, err := src.ReadAt(head[:], 0); err != nil {
		return fail("it has %d bytes", size)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || int64(n) > size-8 {
		return fail("a header of %d bytes in a file of %d", n, size)
	}
	raw := make([]byte, n)
	if _, err := src.ReadAt(raw, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw, &header); err != nil {
		return fail("header: %w", err)
	}
	f := &File{name: name, src: src, data: 8 + int64(n), entries: map[string]Info{}, meta: map[string]string{}}
	for key, value := range header {
		if key == "__metadata__" {
			if err := json.Unmarshal(value, &f.meta); err != nil {
				return fail("metadata: %w", err)
			}
			continue
		}
		info, err := entry(value, size-f.data)
		if err != nil {
			return fail("%s: %w", key, err)
		}
		f.entries[key] = info
	}
	if err := f.checkOverlap(); err != nil {
		return fail("%w", err)
	}
	return f, nil
}

// entry parses and checks one tensor's description.
func entry(raw json.RawMessage, room int64) (Info, error) {
	var e struct {
		DType   DType    `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return Info{}, err
	}
	size, ok := sizes[e.DType]
	if !ok {
		return Info{}, fmt.Errorf("number format %q is not supported", e.DType)
	}
	count := int64(1)
	shape := make(tensor.Shape, len(e.Shape))
	for i, d := range e.Shape {
		if d < 0 || d > 0 && count > math.MaxInt64/16/d {
			return Info{}, fmt.Errorf("shape %v", e.Shape)
		}
		count *= d
		shape[i] = int(d)
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > room {
		return Info{}, fmt.Errorf("bytes %d to %d of %d: is the file truncated?", begin, end, room)
	}
	if end-begin != count*int64(size) {
		return Info{}, fmt.Errorf("shape %v of %s in %d bytes", shape, e.DType, end-begin)
	}
	return Info{e.DType, shape, begin, end}, nil
}

func (f *File) checkOverlap() error {
	names := f.Names()
	sort.Slice(names, func(i, j int) bool { return f.entries[names[i]].begin < f.entries[names[j]].begin })
	for i := 1; i < len(names); i++ {
		a, b := f.entries[names[i-1]], f.entries[names[i]]
		if b.begin < a.end && b.begin != b.end {
			return fmt.Errorf("%s and %s overlap", names[i-1], names[i])
		}
	}
	return nil
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

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Read reads a tensor: floats as float32, integers as int32.
func (f *File) Read(name string) (*tensor.Tensor, error) {
	info, ok := f.entries[name]
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %s", f.name, name)
	}
	raw, err := f.bytes(name, info)
	if err != nil {
		return nil, err
	}
	switch info.DType {
	case I64, I32, U8, Bool:
		t := tensor.NewInt(info.Shape...)
		if err := decodeInts(t.I32, raw, info.DType); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", f.name, name, err)
		}
		return t, nil
	}
	t := tensor.New(info.Shape...)
	decodeFloats(t.F32, raw, info.DType)
	return t, nil
}

// ReadFloat64 reads a tensor of F64 at full precision.
func (f *File) ReadFloat64(name string) ([]float64, error) {
	info, ok := f.entries[name]
	if !ok || info.DType != F64 {
		return nil, fmt.Errorf("%s has no tensor %s of F64", f.name, name)
	}
	raw, err := f.bytes(name, info)
	out := make([]float64, len(raw)/8)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
	}
	return out, err
}

// bytes reads a tensor's data as it is stored.
func (f *File) bytes(name string, info Info) ([]byte, error) {
	raw := make([]byte, info.end-info.begin)
	if _, err := f.src.ReadAt(raw, f.data+info.begin); err != nil && !(errors.Is(err, io.EOF) && len(raw) == 0) {
		return nil, fmt.Errorf("%s: %s: %w", f.name, name, err)
	}
	return raw, nil
}

func decodeFloats(dst []float32, raw []byte, d DType) {
	le := binary.LittleEndian
	for i := range dst {
		switch d {
		case F32:
			dst[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		case F16:
			dst[i] = tensor.FromFloat16(le.Uint16(raw[2*i:]))
		case BF16:
			dst[i] = tensor.FromBFloat16(le.Uint16(raw[2*i:]))
		case F64:
			dst[i] = float32(math.Float64frombits(le.Uint64(raw[8*i:])))
		}
	}
}

func decodeInts(dst []int32, raw []byte, d DType) error {
	le := binary.LittleEndian
	for i := range dst {
		switch d {
		case I64:
			v := int64(le.Uint64(raw[8*i:]))
			if int64(int32(v)) != v {
				return fmt.Errorf("element %d is %d, too large for int32", i, v)
			}
			dst[i] = int32(v)
		case I32:
			dst[i] = int32(le.Uint32(raw[4*i:]))
		default:
			dst[i] = int32(raw[i])
		}
	}
	return nil
}
