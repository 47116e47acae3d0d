package torch_test

import (
	"archive/zip"
	"testing"
)

// indexed wants no panic, and tensors inside the file.
func indexed(t *testing.T, data []byte) {
	tensors, _, err := index(data)
	if err != nil {
		return
	}
	for _, x := range tensors {
		if x.Offset < 0 || x.Offset > x.Limit || x.Limit > int64(len(data)) || len(x.Shape) != len(x.Strides) {
			t.Fatalf("%+v in a file of %d bytes", x, len(data))
		}
	}
}

func FuzzZip(f *testing.F) {
	var p pickler
	f.Add(archived(f, p.twoTensors().Bytes(), zip.Store, "byteorder", "little"))
	f.Add(archived(f, p.Bytes(), zip.Deflate))
	f.Fuzz(indexed)
}

func FuzzPickle(f *testing.F) {
	var p pickler
	f.Add(p.twoTensors().Bytes())
	f.Add(one(6, 0, []int{2, 3}, []int{3, 1}))
	f.Add(ops("X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01aI1\nL2L\nF1.5\nVx\n(lg0\np1\n."))
	for _, value := range opaque {
		f.Add(wrapped(value))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) { indexed(t, archived(t, pickle, zip.Store)) })
}

func FuzzLegacy(f *testing.F) {
	f.Add(oldFormat())
	f.Fuzz(indexed)
}
