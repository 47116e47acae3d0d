package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// maxHeader bounds the JSON header, as the format's reference does.
const maxHeader = 100 << 20

// readSafetensors reads a safetensors file's header.
func readSafetensors(name string, src io.ReaderAt, size int64) (*File, error) {
	fail := func(format string, args ...any) (*File, error) {
		return nil, fault.Filef("%s: not a sound safetensors file: %w", name, fmt.Errorf(format, args...))
	}
	var head [8]byte
	if _, err := src.ReadAt(head[:], 0); err != nil {
		return fail("it has %d bytes", size)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader {
		return fail("a header of %d bytes: want at most %d", n, maxHeader)
	}
	if int64(n) > size-8 {
		return fail("a header of %d bytes in a file of %d: the file is truncated, download it again", n, size)
	}
	raw := make([]byte, n)
	if _, err := src.ReadAt(raw, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var header map[string]json.RawMessage
	err := json.Unmarshal(raw, &header)
	if err != nil {
		return fail("header: %w", err)
	}
	f := &File{name: name, src: src, Format: "safetensors", entries: map[string]Info{}, meta: map[string]string{}}
	data := 8 + int64(n)
	if need := longest(header); need > size-data {
		return fail("its tensors take %d bytes, the file has %d: it is truncated, download it again", data+need, size)
	}
	for key, value := range header {
		if key == "__metadata__" {
			if f.meta, err = metadata(value); err != nil {
				return fail("metadata: %w", err)
			}
			continue
		}
		info, err := entry(value, size-data)
		if err != nil {
			return fail("%s: %w", printable(key), err)
		}
		info.begin, info.end = info.begin+data, info.end+data
		f.entries[key] = info
	}
	if err := f.checkOverlap(); err != nil {
		return fail("%w", err)
	}
	return f, nil
}

// metadata are the file's free strings. What is no string, as some write
// against the format, is kept as its JSON.
func metadata(raw json.RawMessage) (map[string]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	meta := make(map[string]string, len(values))
	for key, value := range values {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		meta[key] = text
	}
	return meta, nil
}

// longest is the number of bytes that the tensors say they take, as far as
// they say anything sound.
func longest(header map[string]json.RawMessage) int64 {
	var most int64
	for _, raw := range header {
		var e struct {
			Offsets [2]int64 `json:"data_offsets"`
		}
		if json.Unmarshal(raw, &e) == nil && e.Offsets[0] >= 0 && e.Offsets[0] <= e.Offsets[1] && e.Offsets[1] < 1<<50 {
			most = max(most, e.Offsets[1])
		}
	}
	return most
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
		size, ok = foreignSizes[e.DType]
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
		return Info{}, fmt.Errorf("bytes %d to %d of %d", begin, end, room)
	}
	if ok && end-begin != count*int64(size) {
		return Info{}, fmt.Errorf("shape %v of %s in %d bytes", shape, e.DType, end-begin)
	}
	return Info{DType: e.DType, Shape: shape, begin: begin, end: end}, nil
}

func (f *File) checkOverlap() error {
	names := f.Names()
	sort.Slice(names, func(i, j int) bool { return f.entries[names[i]].begin < f.entries[names[j]].begin })
	for i := 1; i < len(names); i++ {
		a, b := f.entries[names[i-1]], f.entries[names[i]]
		if b.begin < a.end && b.begin != b.end {
			return fmt.Errorf("%s and %s overlap", printable(names[i-1]), printable(names[i]))
		}
	}
	return nil
}
