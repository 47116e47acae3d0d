// Package container finds the pieces of picture files: the chunks of PNG and
// WebP, the segments of JPEG. It reads headers alone, so that what a piece
// holds is read only if it is wanted.
package container

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/ldm-go/ldm/fault"
)

// Format is a kind of picture file.
type Format string

// The formats that are told apart by their first bytes.
const (
	PNG     Format = "png"
	JPEG    Format = "jpeg"
	WebP    Format = "webp"
	GIF     Format = "gif"
	BMP     Format = "bmp"
	TIFF    Format = "tiff"
	Unknown Format = ""
)

// PNGSignature is how every PNG file begins.
const PNGSignature = "\x89PNG\r\n\x1a\n"

// Detect tells a format by the first bytes of a file, of which it wants 12.
func Detect(head []byte) Format {
	begins := func(s string) bool { return bytes.HasPrefix(head, []byte(s)) }
	switch {
	case begins(PNGSignature):
		return PNG
	case begins("\xff\xd8\xff"):
		return JPEG
	case begins("RIFF") && len(head) >= 12 && string(head[8:12]) == "WEBP":
		return WebP
	case begins("GIF87a"), begins("GIF89a"):
		return GIF
	case begins("BM"):
		return BMP
	case begins("II*\x00"), begins("MM\x00*"):
		return TIFF
	}
	return Unknown
}

// Chunk is a piece of a file: its name ("IDAT", "VP8 ", for a segment of a
// JPEG "FFE1") and where its data lies.
type Chunk struct {
	Type   string
	Offset int64
	Size   int64
}

// Read returns what a chunk holds, which is refused above most bytes.
func (c Chunk) Read(r io.ReaderAt, most int64) ([]byte, error) {
	if c.Size > most {
		return nil, fault.Filef("chunk %q of %d bytes: want at most %d", c.Type, c.Size, most)
	}
	data := make([]byte, c.Size)
	if _, err := r.ReadAt(data, c.Offset); err != nil {
		return nil, fault.Filef("chunk %q is cut off", c.Type)
	}
	return data, nil
}

// maxChunks bounds the list that a hostile file can ask for.
const maxChunks = 1 << 18

// Chunks lists the pieces of a PNG, JPEG or WebP file of so many bytes, as far
// as the file is sound; another format has none. A chunk that is cut off by the
// end of the file is the last one, and its size is what the file says.
func Chunks(r io.ReaderAt, size int64, f Format) []Chunk {
	switch f {
	case PNG:
		return walk(r, int64(len(PNGSignature)), size, 12, func(head []byte) (string, int64) {
			return string(head[4:8]), int64(binary.BigEndian.Uint32(head))
		})
	case WebP:
		return RIFF(r, 12, size)
	case JPEG:
		return segments(r, size)
	}
	return nil
}

// RIFF lists the chunks that lie between two places of a file.
func RIFF(r io.ReaderAt, from, to int64) []Chunk {
	return walk(r, from, to, 8, func(head []byte) (string, int64) {
		return string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
	})
}

// walk reads chunks of an 8-byte header and data; frame is the size of all that
// is not data. RIFF pads data to an even size, PNG ends it with a checksum.
func walk(r io.ReaderAt, at, end int64, frame int64, parse func([]byte) (string, int64)) []Chunk {
	var list []Chunk
	var head [8]byte
	for at+8 <= end && len(list) < maxChunks {
		if _, err := r.ReadAt(head[:], at); err != nil {
			break
		}
		c := Chunk{Offset: at + 8}
		c.Type, c.Size = parse(head[:])
		list = append(list, c)
		at += frame + c.Size
		if frame == 8 {
			at += c.Size & 1
		}
	}
	return list
}

// segments lists a JPEG's segments up to the first scan.
func segments(r io.ReaderAt, size int64) []Chunk {
	var list []Chunk
	var head [4]byte
	for at := int64(2); at+4 <= size && len(list) < maxChunks; {
		if _, err := r.ReadAt(head[:], at); err != nil || head[0] != 0xff {
			break
		}
		switch m := head[1]; {
		case m == 0xff: // padding
			at++
			continue
		case m == 0x01 || m >= 0xd0 && m <= 0xd8: // markers without data
			at += 2
			continue
		case m == 0xd9 || m == 0xda: // the end, or pixels
			return list
		}
		n := int64(binary.BigEndian.Uint16(head[2:]))
		if n < 2 {
			break
		}
		const hex = "0123456789ABCDEF"
		list = append(list, Chunk{"FF" + string([]byte{hex[head[1]>>4], hex[head[1]&15]}), at + 4, n - 2})
		at += 2 + n
	}
	return list
}
