package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unsafe"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Read reads a tensor into memory of its own: floats as float32, integers as
// int32.
func (f *File) Read(name string) (*tensor.Tensor, error) {
	info, ok := f.entries[name]
	if !ok {
		return nil, fault.Filef("%s has no tensor %s", f.name, name)
	}
	if !info.DType.readable() {
		return nil, fault.Unsupportedf("%s: %s is stored as %s, which is not computed with: want the file in F32, F16 or BF16", f.name, name, info.DType)
	}
	raw, err := f.bytes(name, info)
	if err != nil {
		return nil, err
	}
	if !info.DType.float() {
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

// formats of numbers that a tensor can have in memory as they are in a file.
var formats = map[DType]tensor.Format{F32: tensor.F32, F16: tensor.F16, BF16: tensor.BF16}

// View is Read, but a tensor of float32, float16 or bfloat16 that lies in one piece
// in a mapped file is neither copied nor widened: its pages are read when they are
// touched, and the system may drop them again. Writing to it changes this process's
// copy alone. It holds until the file is closed.
func (f *File) View(name string) (*tensor.Tensor, error) {
	info, ok := f.entries[name]
	format, direct := formats[info.DType]
	if !ok || !direct || !littleEndian || info.strides != nil || info.end > int64(len(f.mapped)) || info.begin == info.end {
		return f.Read(name)
	}
	p := unsafe.Pointer(&f.mapped[info.begin])
	size := info.Shape.Size()
	switch {
	case uintptr(p)%uintptr(sizes[info.DType]) != 0:
		return f.Read(name)
	case format == tensor.F32:
		return tensor.Of(unsafe.Slice((*float32)(p), size), info.Shape...), nil
	}
	return tensor.OfHalf(unsafe.Slice((*uint16)(p), size), format, info.Shape...), nil
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Release tells the system that the pages of a view are not needed for now.
func (f *File) Release(t *tensor.Tensor) {
	bytes := 4*len(t.F32) + 2*len(t.Half)
	if len(f.mapped) == 0 || bytes == 0 {
		return
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(t.F32)))
	if t.Half != nil {
		at = uintptr(unsafe.Pointer(unsafe.SliceData(t.Half)))
	}
	base := uintptr(unsafe.Pointer(&f.mapped[0]))
	if at < base || at >= base+uintptr(len(f.mapped)) {
		return
	}
	releasePages(f.mapped, int(at-base), bytes)
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

// bytes reads a tensor's numbers as they are stored, in row-major order.
func (f *File) bytes(name string, info Info) ([]byte, error) {
	raw := make([]byte, info.end-info.begin)
	if _, err := f.src.ReadAt(raw, info.begin); err != nil && !(errors.Is(err, io.EOF) && len(raw) == 0) {
		return nil, fmt.Errorf("%s: %s: %w", f.name, name, err)
	}
	if info.strides == nil {
		return raw, nil
	}
	return gather(raw, info), nil
}

// gather puts the elements of a view in row-major order.
func gather(raw []byte, info Info) []byte {
	size, rank := sizes[info.DType], len(info.Shape)
	out := make([]byte, 0, info.Bytes())
	index := make([]int, rank)
	at := 0
	for range info.Shape.Size() {
		out = append(out, raw[at*size:(at+1)*size]...)
		for a := rank - 1; a >= 0; a-- {
			index[a]++
			at += info.strides[a]
			if index[a] < info.Shape[a] {
				break
			}
			at -= index[a] * info.strides[a]
			index[a] = 0
		}
	}
	return out
}

func decodeFloats(dst []float32, raw []byte, d DType) {
	le := binary.LittleEndian
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = tensor.FromFloat16(le.Uint16(raw[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = tensor.FromBFloat16(le.Uint16(raw[2*i:]))
		}
	case F64:
		for i := range dst {
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
		case I16:
			dst[i] = int32(int16(le.Uint16(raw[2*i:])))
		case I8:
			dst[i] = int32(int8(raw[i]))
		default:
			dst[i] = int32(raw[i])
		}
	}
	return nil
}
