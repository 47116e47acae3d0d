package exif

import (
	"bytes"
	"encoding/binary"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is an entry's text, empty if there is none.
func (d Data) Text(tag uint16) string {
	value := d.entries[tag].value
	if tag == UserComment {
		return d.comment(value)
	}
	return plain(value)
}

// comment reads a UserComment, which begins with the name of its encoding.
func (d Data) comment(value []byte) string {
	if len(value) < 8 {
		return plain(value)
	}
	switch name, text := string(value[:8]), value[8:]; name {
	case "UNICODE\x00":
		return d.unicode(text)
	case "ASCII\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00":
		return plain(text)
	default:
		return plain(value)
	}
}

// unicode reads UTF-16. Programs write it in either order, whatever the order
// of the numbers: zeros are the high bytes of Latin letters, which tell.
func (d Data) unicode(text []byte) string {
	order := d.order
	switch {
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		order, text = binary.BigEndian, text[2:]
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		order, text = binary.LittleEndian, text[2:]
	default:
		var even, odd int
		for i := 0; i+1 < len(text); i += 2 {
			if text[i] == 0 && text[i+1] != 0 {
				even++
			} else if text[i+1] == 0 && text[i] != 0 {
				odd++
			}
		}
		if even == 0 && odd == 0 && utf8.Valid(text) && len(text) > 0 && isASCII(text) {
			return plain(text) // UTF-8 under the wrong name
		}
		if even > odd {
			order = binary.BigEndian
		} else if odd > even {
			order = binary.LittleEndian
		}
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plain reads UTF-8, or Latin-1 where it is not that.
func plain(value []byte) string {
	value = bytes.TrimRight(value, "\x00")
	if utf8.Valid(value) {
		return string(value)
	}
	runes := make([]rune, len(value))
	for i, b := range value {
		runes[i] = rune(b)
	}
	return string(runes)
}

// Encode writes EXIF data with these texts, big-endian as the common Python
// library has it: UserComment in UTF-16, the others as they are.
func Encode(texts map[uint16]string) []byte {
	var first, second []record
	for tag, text := range texts {
		if tag == UserComment {
			second = append(second, record{tag, typeUndefined, encodeComment(text)})
		} else {
			first = append(first, record{tag, typeASCII, append([]byte(text), 0)})
		}
	}
	if second != nil {
		first = append(first, record{exifDirectory, typeLong, make([]byte, 4)})
	}
	sort.Slice(first, func(i, j int) bool { return first[i].tag < first[j].tag })
	const header = 8
	if second != nil {
		at := header + size(first)
		for i := range first {
			if first[i].tag == exifDirectory {
				binary.BigEndian.PutUint32(first[i].value, uint32(at))
			}
		}
	}
	raw := []byte{'M', 'M', 0, 42, 0, 0, 0, header}
	raw = appendDirectory(raw, first)
	if second != nil {
		raw = appendDirectory(raw, second)
	}
	return raw
}

type record struct {
	tag, kind uint16
	value     []byte
}

// size is the space of a directory with its values, each at an even place.
func size(list []record) int {
	n := 2 + 12*len(list) + 4
	for _, r := range list {
		if len(r.value) > 4 {
			n += len(r.value) + len(r.value)&1
		}
	}
	return n
}

func appendDirectory(raw []byte, list []record) []byte {
	be := binary.BigEndian
	values := len(raw) + 2 + 12*len(list) + 4
	raw = be.AppendUint16(raw, uint16(len(list)))
	var after []byte
	for _, r := range list {
		raw = be.AppendUint16(raw, r.tag)
		raw = be.AppendUint16(raw, r.kind)
		count := len(r.value)
		if r.kind == typeLong {
			count /= 4
		}
		raw = be.AppendUint32(raw, uint32(count))
		if len(r.value) <= 4 {
			raw = append(raw, r.value...)
			raw = append(raw, make([]byte, 4-len(r.value))...)
			continue
		}
		raw = be.AppendUint32(raw, uint32(values+len(after)))
		after = append(after, r.value...)
		if len(after)%2 != 0 {
			after = append(after, 0)
		}
	}
	raw = be.AppendUint32(raw, 0) // no directory after this one
	return append(raw, after...)
}

func encodeComment(text string) []byte {
	value := []byte("UNICODE\x00")
	for _, u := range utf16.Encode([]rune(text)) {
		value = binary.BigEndian.AppendUint16(value, u)
	}
	return value
}
