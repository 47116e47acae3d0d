package checkpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/tensor"
)

// Save writes tensors (float32, stored as d; int32 as they are) and metadata in one atomic step:
// the path holds either what it held before or the whole new file. Numbers that
// are not finite, or would not be in the format, are an error that names their
// tensors.
func Save(path string, tensors map[string]*tensor.Tensor, meta map[string]string, d DType) error {
	return SaveContext(context.Background(), path, tensors, meta, d)
}

// SaveContext is Save that ends with the context's error, and leaves the path as
// it was, once the context is done.
func SaveContext(ctx context.Context, path string, tensors map[string]*tensor.Tensor, meta map[string]string, d DType) error {
	if d != F32 && d != F16 && d != BF16 {
		return fault.Inputf("weights cannot be written as %q: want F32, F16 or BF16", d)
	}
	if err := checkRange(ctx, path, tensors, d); err != nil {
		return err
	}
	return Atomic(path, func(w io.Writer) error { return write(ctx, w, tensors, meta, d) })
}

// Atomic writes a file in one atomic step, as package output has it.
func Atomic(path string, fill func(io.Writer) error) error { return output.Write(path, fill) }

// checkRange looks for numbers that the format does not hold.
func checkRange(ctx context.Context, path string, tensors map[string]*tensor.Tensor, d DType) error {
	var broken, beyond []string
	for name, t := range tensors {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i, v := nonFinite(t); i >= 0 {
			broken = append(broken, fmt.Sprintf("%s (element %d is %g)", name, i, v))
		} else if most := largest(t, d); !representable(d, most) {
			beyond = append(beyond, fmt.Sprintf("%s (up to %g)", name, most))
		}
	}
	switch {
	case len(broken) > 0:
		return fault.Inputf("%s is not written: %d tensors hold numbers that are not finite: %s", path, len(broken), some(broken))
	case len(beyond) > 0:
		other := "bf16 or f32 holds"
		if d == BF16 {
			other = "f32 holds"
		}
		return fault.Inputf("%s is not written: %d tensors hold numbers beyond the range of %s: %s; %s them",
			path, len(beyond), strings.ToLower(string(d)), some(beyond), other)
	}
	return nil
}

// largest is the largest absolute value of a tensor, or 0 where the format
// holds all that the tensor may have.
func largest(t *tensor.Tensor, d DType) float32 {
	var most float32
	if d == F32 || t.Half != nil && formats[d] == t.Format {
		return 0
	}
	for _, v := range t.Float32().F32 {
		most = max(most, v, -v)
	}
	return most
}

// representable tells whether a number stays finite in the format.
func representable(d DType, v float32) bool {
	switch d {
	case F16:
		return tensor.Float16(v)&0x7c00 != 0x7c00
	case BF16:
		return tensor.BFloat16(v)&0x7f80 != 0x7f80
	}
	return true
}

func write(ctx context.Context, w io.Writer, tensors map[string]*tensor.Tensor, meta map[string]string, d DType) error {
	names := make([]string, 0, len(tensors))
	for name := range tensors {
		names = append(names, name)
	}
	sort.Strings(names)
	header, err := makeHeader(names, tensors, meta, d)
	if err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	const chunk = 1 << 14 // elements
	buf := make([]byte, 0, 4*chunk)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, size := tensors[name], tensors[name].Shape.Size()
		if t.I32 != nil {
			if err := binary.Write(w, binary.LittleEndian, t.I32); err != nil {
				return err
			}
			continue
		}
		if t.Half == nil || formats[d] != t.Format {
			t = t.Float32()
		}
		for from := 0; from < size; from += chunk {
			buf = appendNumbers(buf[:0], t, from, min(from+chunk, size), d)
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendNumbers stores a part of a tensor, of float32 or in the format itself.
func appendNumbers(buf []byte, t *tensor.Tensor, from, to int, d DType) []byte {
	le := binary.LittleEndian
	if t.Half != nil {
		for _, h := range t.Half[from:to] {
			buf = le.AppendUint16(buf, h)
		}
		return buf
	}
	for _, v := range t.F32[from:to] {
		switch d {
		case F16:
			buf = le.AppendUint16(buf, tensor.Float16(v))
		case BF16:
			buf = le.AppendUint16(buf, tensor.BFloat16(v))
		default:
			buf = le.AppendUint32(buf, math.Float32bits(v))
		}
	}
	return buf
}

// makeHeader writes the JSON header with its keys in order, padded to 8 bytes.
func makeHeader(names []string, tensors map[string]*tensor.Tensor, meta map[string]string, d DType) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(meta) > 0 {
		raw, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `"__metadata__":%s`, raw)
	}
	at := 0
	for _, name := range names {
		t := tensors[name]
		kind := d
		switch {
		case t.I32 != nil:
			kind = I32
		case t.F32 == nil && t.Half == nil && t.Shape.Size() > 0:
			return nil, fmt.Errorf("%s has no numbers", name)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		size := t.Shape.Size() * sizes[kind]
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, key, kind, shape, at, at+size)
		at += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}
