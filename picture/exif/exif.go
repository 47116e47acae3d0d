// Package exif reads and writes the few entries of EXIF data that matter here:
// how a picture is to be turned, and texts. EXIF data is a TIFF structure:
// directories of entries with a tag, a type, a count, and a value or its place.
package exif

import (
	"encoding/binary"
)

// Tags of entries.
const (
	ImageDescription = 0x010e
	Make             = 0x010f
	Model            = 0x0110
	Orientation      = 0x0112
	Software         = 0x0131
	exifDirectory    = 0x8769
	UserComment      = 0x9286
)

// Types of entries.
const (
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeUndefined = 7
)

// Data holds the entries of the first directory and of the EXIF directory.
type Data struct {
	order   binary.ByteOrder
	entries map[uint16]entry
}

type entry struct {
	kind  uint16
	value []byte
}

var sizes = [...]uint64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8}

// Parse reads EXIF data. What is damaged in it is left out.
func Parse(raw []byte) Data {
	d := Data{order: binary.LittleEndian, entries: map[uint16]entry{}}
	if len(raw) < 8 {
		return d
	}
	switch string(raw[:2]) {
	case "II":
	case "MM":
		d.order = binary.BigEndian
	default:
		return d
	}
	d.directory(raw, uint64(d.order.Uint32(raw[4:])))
	if at, ok := d.number(exifDirectory); ok {
		d.directory(raw, uint64(at))
	}
	return d
}

// directory adds the entries of the directory at a place; the first of a tag holds.
func (d *Data) directory(raw []byte, at uint64) {
	if at+2 > uint64(len(raw)) {
		return
	}
	n := uint64(d.order.Uint16(raw[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > uint64(len(raw)) {
			return
		}
		tag, kind := d.order.Uint16(raw[e:]), d.order.Uint16(raw[e+2:])
		if int(kind) >= len(sizes) {
			continue
		}
		size := uint64(d.order.Uint32(raw[e+4:])) * sizes[kind]
		from := e + 8
		if size > 4 {
			from = uint64(d.order.Uint32(raw[e+8:]))
		}
		if _, there := d.entries[tag]; there || from+size > uint64(len(raw)) {
			continue
		}
		d.entries[tag] = entry{kind, raw[from : from+size]}
	}
}

// number is an entry's first number.
func (d Data) number(tag uint16) (uint32, bool) {
	e := d.entries[tag]
	switch {
	case e.kind == typeShort && len(e.value) >= 2:
		return uint32(d.order.Uint16(e.value)), true
	case e.kind == typeLong && len(e.value) >= 4:
		return d.order.Uint32(e.value), true
	}
	return 0, false
}

// HasOrientation says whether the data says how to turn the picture.
func (d Data) HasOrientation() bool {
	_, ok := d.number(Orientation)
	return ok
}

// Orientation is 1 to 8, as the standard numbers the ways to turn a picture;
// 1, upright, if the data does not say.
func (d Data) Orientation() int {
	if n, ok := d.number(Orientation); ok && n >= 1 && n <= 8 {
		return int(n)
	}
	return 1
}
