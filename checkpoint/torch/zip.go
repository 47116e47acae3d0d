package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
)

const (
	maxDirectory = 32 << 20 // bytes; an entry has about 100
	maxEntries   = 1 << 20
)

// archive is a checkpoint in the zip format: a folder of any name with
// data.pkl, and the storages in its folder data.
type archive struct {
	src     io.ReaderAt
	size    int64
	entries map[string]*zip.File // by the name inside the folder
}

// readZip reads the pickle of a zip archive.
func readZip(src io.ReaderAt, size int64) (any, extent, error) {
	a, err := openArchive(src, size)
	if err != nil {
		return nil, nil, err
	}
	if err := a.checkByteOrder(); err != nil {
		return nil, nil, err
	}
	begin, end, err := a.find("data.pkl")
	if err != nil {
		return nil, nil, err
	}
	if end-begin > maxPickle {
		return nil, nil, fmt.Errorf("data.pkl has %d bytes; want at most %d", end-begin, int64(maxPickle))
	}
	m := machine{in: newSource(src, begin, end)}
	top, err := m.run()
	return top, func(key string) (int64, int64, error) { return a.find("data/" + key) }, err
}

func openArchive(src io.ReaderAt, size int64) (*archive, error) {
	if err := checkRecords(src, size); err != nil {
		return nil, err
	}
	bounded := &meter{io.NewSectionReader(src, 0, size), maxDirectory}
	r, err := zip.NewReader(bounded, size)
	if err != nil {
		return nil, fmt.Errorf("not a sound zip archive (%w); is the file truncated?", err)
	}
	bounded.left = math.MaxInt64 // from here on entries are read one by one
	top, found := "", 0
	for _, f := range r.File {
		if dir, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(dir, "/") {
			top = dir + "/"
			found++
		}
	}
	if found == 0 {
		return nil, fmt.Errorf("%s; want a checkpoint of torch.save, which has an entry FOLDER/data.pkl", otherArchive(r.File))
	}
	if found > 1 {
		return nil, fmt.Errorf("the zip archive has %d entries FOLDER/data.pkl; want one, as torch.save writes", found)
	}
	a := &archive{src, size, map[string]*zip.File{}}
	for _, f := range r.File {
		name, ok := strings.CutPrefix(f.Name, top)
		if !ok {
			continue
		}
		if a.entries[name] != nil {
			return nil, fmt.Errorf("the zip archive has the entry %s twice; want it once", plain(f.Name))
		}
		a.entries[name] = f
		if strings.HasPrefix(name, "code/") {
			return nil, errors.New("a TorchScript program, not weights; want a checkpoint of its state_dict")
		}
	}
	return a, nil
}

// otherArchive says what a zip archive is that torch.save did not write.
func otherArchive(files []*zip.File) string {
	is := map[string]bool{}
	arrays := 0
	for _, f := range files {
		is[f.Name] = true
		switch strings.ToLower(path.Ext(f.Name)) {
		case ".npy":
			arrays++
		case ".safetensors", ".ckpt", ".pt", ".pth", ".bin":
			return fmt.Sprintf("a zip archive with %s in it: unpack it first", plain(f.Name))
		}
	}
	switch {
	case arrays > 0 && arrays == len(files):
		return "an archive of NumPy arrays (.npz)"
	case is["[Content_Types].xml"]:
		return "an Office document"
	case is["config.json"] && is["model.weights.h5"]:
		return "a Keras model"
	case is["AndroidManifest.xml"], is["META-INF/MANIFEST.MF"]:
		return "a Java or Android program"
	case is["data.pkl"], is["version"]:
		return "a zip archive like those of torch.save, packed anew without its folder"
	}
	return fmt.Sprintf("a zip archive of %d other files", len(files))
}

// find returns where an entry's bytes lie in the file.
func (a *archive) find(name string) (begin, end int64, err error) {
	f := a.entries[name]
	switch {
	case f == nil:
		return 0, 0, fmt.Errorf("%s is not in the zip archive", plain(name))
	case f.Method != zip.Store:
		return 0, 0, fmt.Errorf("%s is compressed (zip method %d); want it stored, as torch.save writes it", plain(name), f.Method)
	case f.Flags&1 != 0:
		return 0, 0, fmt.Errorf("%s is encrypted; want it stored plainly", plain(name))
	case f.CompressedSize64 != f.UncompressedSize64:
		return 0, 0, fmt.Errorf("%s is stored, and has %d bytes of %d; want as many", plain(name), f.CompressedSize64, f.UncompressedSize64)
	}
	begin, err = f.DataOffset()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: not a sound zip entry: %w", plain(name), err)
	}
	if begin < 0 || begin > a.size || f.CompressedSize64 > uint64(a.size-begin) {
		return 0, 0, fmt.Errorf("%s has %d bytes at byte %d of a file of %d; is the file truncated?", plain(name), f.CompressedSize64, begin, a.size)
	}
	return begin, begin + int64(f.CompressedSize64), nil
}

// checkByteOrder reads the entry that newer versions of torch write.
func (a *archive) checkByteOrder() error {
	if a.entries["byteorder"] == nil {
		return nil
	}
	begin, end, err := a.find("byteorder")
	if err != nil {
		return err
	}
	raw := make([]byte, min(end-begin, 16))
	if _, err := a.src.ReadAt(raw, begin); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if order := string(bytes.TrimSpace(raw)); order != "little" {
		return fmt.Errorf("the byte order is %s; want little", plain(order))
	}
	return nil
}

// meter bounds how much is read: archive/zip reads directories of any size.
type meter struct {
	src  io.ReaderAt
	left int64
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if m.left -= int64(len(p)); m.left < 0 {
		return 0, fmt.Errorf("a directory of more than %d bytes", maxDirectory)
	}
	return m.src.ReadAt(p, off)
}

// checkRecords bounds the number of entries that a directory claims in 64
// bits, since archive/zip allocates for them what the file's size allows.
func checkRecords(src io.ReaderAt, size int64) error {
	const comment, end, locator, record = 65535, 22, 20, 56
	tail := make([]byte, min(size, comment+end+locator))
	if _, err := src.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	le, section := binary.LittleEndian, io.NewSectionReader(src, 0, size)
	for {
		i := bytes.Index(tail, []byte("PK\x06\x07"))
		if i < 0 || len(tail)-i < locator {
			return nil
		}
		var r [record]byte
		if _, err := section.ReadAt(r[:], int64(le.Uint64(tail[i+8:]))); err == nil {
			if n := le.Uint64(r[32:]); string(r[:4]) == "PK\x06\x06" && n > maxEntries {
				return fmt.Errorf("the zip archive claims %d entries; want at most %d", n, maxEntries)
			}
		}
		tail = tail[i+4:]
	}
}
