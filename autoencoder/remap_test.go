package autoencoder_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
)

// npy is a NumPy file of int64.
func npy(codes ...int64) []byte {
	header := fmt.Sprintf("{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }", len(codes))
	header += strings.Repeat(" ", 117-len(header)) + "\n"
	b := bytes.NewBufferString("\x93NUMPY\x01\x00")
	binary.Write(b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	binary.Write(b, binary.LittleEndian, codes)
	return b.Bytes()
}

// TestRemap: as taming's remap_to_used and unmap_to_all.
func TestRemap(t *testing.T) {
	r, err := autoencoder.ReadRemap(npy(7, 3, 9), 10)
	if err != nil || r.Len() != 3 {
		t.Fatalf("%v, %v", r, err)
	}
	codes := []int32{9, 7, 4, 3}
	if n := r.Used(codes, func() int32 { return 3 }); n != 1 || !slices.Equal(codes, []int32{2, 0, 3, 1}) {
		t.Errorf("%d missing, places %v", n, codes)
	}
	r.All(codes)
	if !slices.Equal(codes, []int32{9, 7, 7, 3}) {
		t.Errorf("codes %v", codes)
	}
	for _, raw := range [][]byte{nil, npy(), npy(10), npy(-1), npy(1, 2)[:120], npy(1, 2)[:40]} {
		if _, err := autoencoder.ReadRemap(raw, 10); err == nil {
			t.Errorf("%d bytes are read", len(raw))
		}
	}
}

func FuzzRemap(f *testing.F) {
	f.Add(npy(7, 3, 9))
	f.Add(npy(1)[:60])
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := autoencoder.ReadRemap(raw, 100); err == nil {
			r.All([]int32{0, int32(r.Len())})
		}
	})
}
