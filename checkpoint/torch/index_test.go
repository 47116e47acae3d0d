package torch_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint/torch"
)

func index(data []byte) ([]torch.Tensor, map[string]string, error) {
	return torch.Index("file.ckpt", bytes.NewReader(data), int64(len(data)))
}

func TestBothFormats(t *testing.T) {
	var p pickler
	files := map[string][]byte{
		"zip":    archived(t, p.twoTensors().Bytes(), zip.Store, "byteorder", "little"),
		"legacy": oldFormat(),
	}
	for name, data := range files {
		tensors, scalars, err := index(data)
		if err != nil || len(tensors) != 2 {
			t.Fatalf("%s: %v, %v", name, tensors, err)
		}
		a, b := tensors[0], tensors[1]
		if a.Name != "a" || a.DType != "F32" || !slices.Equal(a.Shape, []int{2, 2}) || !slices.Equal(a.Strides, []int{1, 2}) {
			t.Errorf("%s: %+v", name, a)
		}
		if b.Name != "b" || b.DType != "F16" || !slices.Equal(b.Shape, []int{3}) {
			t.Errorf("%s: %+v", name, b)
		}
		if got := string(data[a.Offset:a.Limit]); got != "bbbbccccddddeeeeffff" {
			t.Errorf("%s: a has %q", name, got)
		}
		if got := string(data[b.Offset:b.Limit]); got != "112233" {
			t.Errorf("%s: b has %q", name, got)
		}
		want := map[string]string{"epoch": "7", "note": "hi", "rate": "0.5"}
		if !maps.Equal(scalars, want) {
			t.Errorf("%s: scalars %v, want %v", name, scalars, want)
		}
	}
}

func TestPartOfStorage(t *testing.T) {
	data := oldFormat()
	part := append([]byte("cpu\x4a\x06\x00\x00\x00"), "(X\x01\x00\x00\x000J\x02\x00\x00\x00J\x04\x00\x00\x00t"...)
	data = bytes.Replace(data, []byte("cpu\x4a\x06\x00\x00\x00N"), part, 1)
	tensors, _, err := index(data)
	if err == nil {
		t.Fatalf("four elements from the second reach beyond a part of four: %v", tensors)
	}
	data = bytes.Replace(data, []byte("tQJ\x01\x00\x00\x00"), []byte("tQJ\x00\x00\x00\x00"), 1)
	tensors, _, err = index(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(data[tensors[0].Offset:tensors[0].Limit]); got != "ccccddddeeeeffff" {
		t.Errorf("a has %q", got)
	}
}

func TestRefusals(t *testing.T) {
	var twice pickler
	good := twice.twoTensors().Bytes()
	huge := binary.LittleEndian.AppendUint64([]byte{0x8d}, 1<<50)
	cases := []struct {
		name, want string
		data       []byte
	}{
		{"deflated", "compressed", archived(t, good, zip.Deflate)},
		{"big endian", "byte order is big; want little", archived(t, good, zip.Store, "byteorder", "big\n")},
		{"two entries", "twice", archived(t, good, zip.Store, "data/0", "")},
		{"truncated", "truncated", archived(t, good, zip.Store)[:400]},
		{"legacy truncated", "truncated", oldFormat()[:len(oldFormat())-1]},
		{"legacy count", "has 6 elements; want the 5", bytes.Replace(oldFormat(), []byte("cpuJ\x06"), []byte("cpuJ\x05"), 1)},
		{"empty", "the file is empty", nil},
		{"web page", "begins with", []byte("<!DOCTYPE html>")},
		{"other pickle", "magic number", []byte("\x80\x02}.")},
		{"eval", "the pickle names builtins.eval, which no checkpoint has a use for: the file may be meant to do harm; nothing was executed",
			archived(t, ops("cbuiltins\neval\nX\x01\x00\x00\x001\x85R"), zip.Store)},
		{"stack global", "names os.system,", archived(t, ops("X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"), zip.Store)},
		{"control character in a name", `names "posix.a\tb"`, archived(t, ops("cposix\na\tb\n"), zip.Store)},
		{"inst", "instruction 0x69", archived(t, ops("(ios\nsystem\n"), zip.Store)},
		{"huge string", "remain", archived(t, ops("%s", huge), zip.Store)},
		{"protocol", "protocol 9", archived(t, []byte("\x80\x09}."), zip.Store)},
		{"underflow", "empty stack", archived(t, []byte("\x80\x02R."), zip.Store)},
		{"mark", "mark", archived(t, []byte("\x80\x02t."), zip.Store)},
		{"below a mark", "empty stack", archived(t, []byte("\x80\x02](a."), zip.Store)},
		{"memo", "recalls object 3", archived(t, []byte("\x80\x02h\x03."), zip.Store)},
		{"no tensors", "no tensors", archived(t, []byte("\x80\x02}."), zip.Store)},
		{"list", "which is a list of 0; want them in a dictionary", archived(t, []byte("\x80\x02]."), zip.Store)},
		{"beyond", "reach element 6 of a storage of 6", archived(t, one(6, 1, []int{6}, []int{1}), zip.Store)},
		{"short storage", "said to have 7 elements", archived(t, one(7, 0, []int{7}, []int{1}), zip.Store)},
		{"negative offset", "begins at element -1", archived(t, one(6, -1, []int{1}, []int{1}), zip.Store)},
		{"negative stride", "strides have the number -1", archived(t, one(6, 0, []int{1}, []int{-1}), zip.Store)},
		{"overflow", "more elements than 64 bits", archived(t, one(6, 0, []int{1 << 30, 1 << 30, 1 << 30}, []int{0, 0, 0}), zip.Store)},
		{"expanded", "makes 17592186044416 elements", archived(t, one(6, 0, []int{1 << 22, 1 << 22}, []int{0, 0}), zip.Store)},
		{"ranks", "2 dimensions and 1 strides", archived(t, one(6, 0, []int{1, 1}, []int{1}), zip.Store)},
	}
	for _, c := range cases {
		_, _, err := index(c.data)
		if err == nil || !strings.HasPrefix(err.Error(), "file.ckpt: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// TestQuadratic wants work bounded that a pickle of linear size asks for.
func TestQuadratic(t *testing.T) {
	if testing.Short() {
		t.Skip("reads large hostile files")
	}
	var p pickler
	p.proto().op("]r\x01\x00\x00\x00(").op(strings.Repeat("K\x00K\x00\x86", 50000)).op("e0")
	p.op(strings.Repeat("ccollections\nOrderedDict\nj\x01\x00\x00\x00\x85R0", 50000)).op("}.")
	_, _, err := index(archived(t, p.Bytes(), zip.Store))
	if err == nil || !strings.Contains(err.Error(), "objects") {
		t.Errorf("error %v, want one about the number of objects", err)
	}
}

func TestClaimedEntries(t *testing.T) {
	data := append([]byte("PK\x03\x04"), bytes.Repeat([]byte{'x'}, 100)...)
	at := uint64(len(data))
	le := binary.LittleEndian
	record := make([]byte, 56)
	copy(record, "PK\x06\x06")
	le.PutUint64(record[24:], 1<<21)
	le.PutUint64(record[32:], 1<<21)
	data = append(data, record...)
	data = le.AppendUint64(append(data, "PK\x06\x07\x00\x00\x00\x00"...), at)
	data = append(data, 1, 0, 0, 0)
	data = append(data, "PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"...)
	if _, _, err := index(data); err == nil || !strings.Contains(err.Error(), "claims 2097152 entries") {
		t.Errorf("error %v", err)
	}
}
