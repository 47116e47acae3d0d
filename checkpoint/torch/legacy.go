package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// legacyMagic is 0x1950a86a20f9469cfc6c as a pickle has it.
	legacyMagic    = long("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
	legacyProtocol = int64(1001)
)

type span struct{ begin, end int64 }

// readLegacy reads the format that torch.save wrote before version 1.6: pickles
// of a magic number, a version, the system, the value and the storages' keys,
// and then the storages.
func readLegacy(src io.ReaderAt, size int64) (any, extent, error) {
	m := machine{in: newSource(src, 0, size)}
	if err := m.readPreamble(); err != nil {
		return nil, nil, err
	}
	top, err := m.run()
	if err != nil {
		return nil, nil, err
	}
	storages := m.storages
	keys, err := m.run()
	if err != nil {
		return nil, nil, fmt.Errorf("the keys of the storages: %w", err)
	}
	l, ok := keys.(*list)
	if !ok {
		return nil, nil, fmt.Errorf("the keys of the storages are %s; want a list", kindOf(keys))
	}
	spans, err := readSpans(src, m.in.used, size, l.items, storages)
	if err != nil {
		return nil, nil, err
	}
	find := func(key string) (int64, int64, error) {
		at, ok := spans[key]
		if !ok {
			return 0, 0, fmt.Errorf("storage %s is not in the file", plain(key))
		}
		return at.begin, at.end, nil
	}
	return top, find, nil
}

// readPreamble wants the magic number and the version. What the system was does
// not matter: the numbers are little-endian whatever it was.
func (m *machine) readPreamble() error {
	magic, err := m.run()
	if err != nil {
		return err
	}
	if magic != any(legacyMagic) {
		return fmt.Errorf("a Python pickle that torch.save did not write, of %s; want torch's magic number first", kindOf(magic))
	}
	version, err := m.run()
	if err != nil {
		return err
	}
	if version != any(legacyProtocol) {
		return fmt.Errorf("the format's version is %s; want %d", kindOf(version), legacyProtocol)
	}
	_, err = m.run()
	return err
}

// readSpans finds the storages, each a number of elements and these. The size
// of an element is that of the first mention of the storage.
func readSpans(src io.ReaderAt, at, size int64, keys []any, storages []*storage) (map[string]span, error) {
	first := map[string]*storage{}
	for _, s := range storages {
		if first[s.key] == nil {
			first[s.key] = s
		}
	}
	spans := map[string]span{}
	for _, k := range keys {
		key, _ := k.(string)
		s := first[key]
		if s == nil {
			return nil, fmt.Errorf("the keys of the storages have %s, which no tensor uses", kindOf(k))
		}
		if _, again := spans[key]; again {
			return nil, fmt.Errorf("the keys of the storages have %s twice; want it once", plain(key))
		}
		var head [8]byte
		if size-at < 8 {
			return nil, fmt.Errorf("the file ends before storage %s; is it truncated?", plain(key))
		}
		if _, err := src.ReadAt(head[:], at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		at += 8
		if n := int64(binary.LittleEndian.Uint64(head[:])); n != s.count {
			return nil, fmt.Errorf("storage %s has %d elements; want the %d that its tensors name", plain(key), n, s.count)
		}
		if s.count > (size-at)/sizes[s.dtype] {
			return nil, fmt.Errorf("storage %s has %d elements of %s, and the file has %d bytes left; is it truncated?", plain(key), s.count, s.dtype, size-at)
		}
		spans[key] = span{at, at + s.count*sizes[s.dtype]}
		at = spans[key].end
	}
	return spans, nil
}
