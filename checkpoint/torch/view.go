package torch

import (
	"errors"
	"fmt"
	"math"
)

const (
	// maxRank is that of torch. It keeps one shape, used by many tensors, from
	// being copied into a lot.
	maxRank = 64
	// An expanded tensor repeats elements: it may have this many elements, and
	// this many for every one of its storage.
	maxExpanded = 1 << 31
	maxRepeats  = 1 << 20
)

var sizes = map[string]int64{
	"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
	"F8_E4M3": 1, "F8_E5M2": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "U16": 2, "U32": 4, "U64": 8, "C64": 8, "C128": 16,
}

// dtypes are the number formats by torch's names.
var dtypes = map[string]string{
	"torch.float32": "F32", "torch.float": "F32", "torch.float16": "F16", "torch.half": "F16", "torch.bfloat16": "BF16",
	"torch.float64": "F64", "torch.double": "F64", "torch.int64": "I64", "torch.long": "I64", "torch.int32": "I32", "torch.int": "I32",
	"torch.int16": "I16", "torch.short": "I16", "torch.int8": "I8", "torch.uint8": "U8", "torch.bool": "BOOL",
	"torch.float8_e4m3fn": "F8_E4M3", "torch.float8_e5m2": "F8_E5M2", "torch.float8_e4m3fnuz": "F8_E4M3FNUZ", "torch.float8_e5m2fnuz": "F8_E5M2FNUZ",
	"torch.uint16": "U16", "torch.uint32": "U32", "torch.uint64": "U64", "torch.complex64": "C64", "torch.cfloat": "C64",
	"torch.complex128": "C128", "torch.cdouble": "C128",
}

// newStorage reads a persistent id: ("storage", type, key, location, elements)
// and in the older format a part of the storage, or none.
func newStorage(id any) (*storage, error) {
	t, _ := id.(tuple)
	if len(t) < 5 || t[0] != any("storage") {
		return nil, fmt.Errorf("the pickle refers to %s; want a tuple (storage, type, key, location, elements)", kindOf(id))
	}
	class, ok := t[1].(global)
	key, hasKey := t[2].(string)
	count, hasCount := t[4].(int64)
	if !ok || class.kind != kindStorage || !hasKey || !hasCount {
		return nil, fmt.Errorf("a storage has %s as type, %s as key, %s as number of elements; want one of torch's types, a string, a number",
			kindOf(t[1]), kindOf(t[2]), kindOf(t[4]))
	}
	s := &storage{key: key, dtype: class.dtype, count: count, part: count}
	if count < 0 || count > math.MaxInt64/sizes[s.dtype] {
		return nil, fmt.Errorf("storage %s has %d elements; want a number from 0 that memory could hold", plain(key), count)
	}
	if len(t) > 5 && t[5] != nil {
		return s, s.narrow(t[5])
	}
	return s, nil
}

// narrow reads (key, offset, elements) of a part of a storage.
func (s *storage) narrow(part any) error {
	t, _ := part.(tuple)
	if len(t) == 3 {
		begin, ok := t[1].(int64)
		count, also := t[2].(int64)
		if ok && also && begin >= 0 && count >= 0 && begin <= s.count && count <= s.count-begin {
			s.begin, s.part = begin, count
			return nil
		}
	}
	return fmt.Errorf("storage %s of %d elements has %s as part; want a key, an offset and a number of elements inside it", plain(s.key), s.count, kindOf(part))
}

// newView reads the arguments that rebuild a tensor.
func newView(args tuple) (*view, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor is described by %d values; want a storage, an offset, a size and strides", len(args))
	}
	s, ok := args[0].(*storage)
	offset, hasOffset := args[1].(int64)
	size, hasSize := args[2].(tuple)
	stride, hasStride := args[3].(tuple)
	if !ok || !hasOffset || !hasSize || !hasStride {
		return nil, fmt.Errorf("a tensor is described by %s, %s, %s, %s; want a storage, an offset, a tuple of sizes, a tuple of strides",
			kindOf(args[0]), kindOf(args[1]), kindOf(args[2]), kindOf(args[3]))
	}
	return &view{s, offset, size, stride}, nil
}

// newTypedView reads the arguments that rebuild a tensor of a storage of bytes.
// One of a number format that is not known is opaque.
func newTypedView(args tuple) (any, error) {
	if len(args) < 7 {
		return nil, fmt.Errorf("a tensor is described by %d values; want a storage, an offset, a size, strides, two more and a type", len(args))
	}
	v, err := newView(args)
	if err != nil {
		return nil, err
	}
	class, _ := args[6].(global)
	dtype, ok := dtypes[class.name]
	if !ok {
		return opaque{}, nil
	}
	s := *v.storage
	had, has := sizes[s.dtype], sizes[dtype]
	s.dtype, s.count, s.begin, s.part = dtype, s.count*had/has, s.begin*had/has, s.part*had/has
	v.storage = &s
	return v, nil
}

// locate checks a tensor and finds it in the file.
func (v *view) locate(find extent) (Tensor, error) {
	s := v.storage
	t := Tensor{DType: s.dtype}
	var err error
	if t.Shape, err = counts("sizes", v.size); err != nil {
		return t, err
	}
	if t.Strides, err = counts("strides", v.stride); err != nil {
		return t, err
	}
	if err := v.check(t.Shape, t.Strides); err != nil {
		return t, err
	}
	begin, end, err := find(s.key)
	if err != nil {
		return t, err
	}
	width := sizes[s.dtype]
	if s.count > (end-begin)/width {
		return t, fmt.Errorf("storage %s is said to have %d elements of %s, and has %d bytes; is the file truncated?", plain(s.key), s.count, s.dtype, end-begin)
	}
	t.Offset = begin + (s.begin+v.offset)*width
	t.Limit = begin + (s.begin+s.part)*width
	return t, nil
}

// counts reads a tuple of numbers of at least 0.
func counts(what string, t tuple) ([]int, error) {
	if len(t) > maxRank {
		return nil, fmt.Errorf("its %s have %d numbers; want at most %d", what, len(t), maxRank)
	}
	out := make([]int, len(t))
	for i, v := range t {
		n, ok := v.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return nil, fmt.Errorf("its %s have %s at %d; want numbers from 0", what, kindOf(v), i)
		}
		out[i] = int(n)
	}
	return out, nil
}

// check wants every element inside the storage, and no more repeated ones than
// a broadcast has.
func (v *view) check(shape, strides []int) error {
	have := v.storage.part
	if len(shape) != len(strides) {
		return fmt.Errorf("it has %d dimensions and %d strides; want as many", len(shape), len(strides))
	}
	if v.offset < 0 || v.offset > have {
		return fmt.Errorf("it begins at element %d of a storage of %d; want one inside", v.offset, have)
	}
	total, last, empty := int64(1), v.offset, false
	for i, n := range shape {
		if n == 0 {
			empty = true
			continue
		}
		if total > math.MaxInt64/int64(n) {
			return fmt.Errorf("its shape %v has more elements than 64 bits count", shape)
		}
		total *= int64(n)
		steps, stride := int64(n-1), int64(strides[i])
		if stride > 0 && steps > (math.MaxInt64-last)/stride {
			return errors.New("its strides reach beyond what 64 bits count")
		}
		last += steps * stride
	}
	switch {
	case empty:
		return nil
	case last >= have:
		return fmt.Errorf("shape %v, strides %v and offset %d reach element %d of a storage of %d; want them inside", shape, strides, v.offset, last, have)
	case total > have && (total > maxExpanded || total/maxRepeats > have):
		return fmt.Errorf("shape %v makes %d elements of a storage of %d; want at most %d, and %d for each", shape, total, have, int64(maxExpanded), maxRepeats)
	}
	return nil
}
