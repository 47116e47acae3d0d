// Package torch finds the tensors of PyTorch checkpoints, in the zip format of
// torch.save and in the older one. A checkpoint holds a pickle, which is a
// program; here it is read as data: what it names is looked up in a closed
// list, and nothing is imported or called.
package torch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxTensors bounds a state dict: many names may share one tensor's description.
const maxTensors = 1 << 17

// Tensor says where a tensor's numbers lie in the file.
type Tensor struct {
	Name    string // the key in the state dict
	DType   string // as safetensors spells it: F32 F16 BF16 F64 I64 I32 I16 I8 U8 BOOL
	Shape   []int
	Strides []int // in elements
	Offset  int64 // in the file, of the tensor's first element
	Limit   int64 // in the file, where the tensor's storage ends
}

// extent finds the bytes of a storage in the file.
type extent func(key string) (begin, end int64, err error)

// Index lists the tensors of a checkpoint's state dict, and the plain numbers
// and strings of its top dictionary, such as "epoch" and "global_step", with how
// many tensors each dictionary in it holds. The
// state dict is the entry "state_dict", or the top dictionary, or else what
// states describes. Every element that a tensor's shape and strides reach lies
// between its Offset and its Limit.
func Index(name string, src io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	tensors, scalars, err := index(src, size)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return tensors, scalars, nil
}

func index(src io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	const want = "want a checkpoint of torch.save: a zip archive, or the older format of pickles"
	if size <= 0 {
		return nil, nil, errors.New("the file is empty; " + want)
	}
	head := make([]byte, min(size, 16))
	if _, err := src.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	read := readZip
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
	case head[0] == opProto:
		read = readLegacy
	default:
		return nil, nil, fmt.Errorf("the file begins with %q; %s", head, want)
	}
	top, find, err := read(src, size)
	if err != nil {
		return nil, nil, err
	}
	return collect(top, find)
}

// plain prepares a string of the file for an error of one line.
func plain(s string) string {
	if len(s) > 120 {
		s = s[:120] + "..."
	}
	if q := strconv.Quote(s); q[1:len(q)-1] != s || s == "" {
		return q
	}
	return s
}
