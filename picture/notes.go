package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/exif"
)

// Note is a text that a file carries. In PNG the keyword names it; JPEG and
// WebP have the places that EXIF has, named by the tag.
type Note struct {
	Keyword string // 1 to 79 characters of Latin-1
	Tag     uint16 // of EXIF; 0: left out of JPEG and WebP
	Text    string
}

// annotate puts notes into the content of a file.
func annotate(raw []byte, f container.Format, size image.Point, notes []Note) ([]byte, error) {
	if len(notes) == 0 {
		return raw, nil
	}
	if f == container.PNG {
		return annotatePNG(raw, notes)
	}
	texts := map[uint16]string{}
	for _, n := range notes {
		if n.Tag != 0 {
			texts[n.Tag] = n.Text
		}
	}
	if len(texts) == 0 {
		return raw, nil
	}
	data := exif.Encode(texts)
	if f == container.WebP {
		return annotateWebP(raw, size, data), nil
	}
	return annotateJPEG(raw, data)
}

// annotatePNG adds a chunk for each note before the pixels: tEXt in Latin-1
// where that can hold the text, iTXt in UTF-8 otherwise, as Pillow chooses.
func annotatePNG(raw []byte, notes []Note) ([]byte, error) {
	const head = len(container.PNGSignature) + 4 + 4 + 13 + 4 // with the chunk IHDR
	out := bytes.NewBuffer(nil)
	out.Write(raw[:head])
	for _, n := range notes {
		keyword, ok := latin1(n.Keyword)
		if !ok || len(keyword) < 1 || len(keyword) > 79 {
			return nil, fault.Inputf("keyword %q: want 1 to 79 characters of Latin-1", n.Keyword)
		}
		if text, ok := latin1(n.Text); ok {
			writePNGChunk(out, "tEXt", append(append(keyword, 0), text...))
			continue
		}
		const plain = "\x00\x00\x00\x00\x00" // end of keyword, not compressed, no language, no translation
		writePNGChunk(out, "iTXt", append(append(keyword, plain...), n.Text...))
	}
	out.Write(raw[head:])
	return out.Bytes(), nil
}

func writePNGChunk(w *bytes.Buffer, name string, data []byte) {
	w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	body := append([]byte(name), data...)
	w.Write(body)
	w.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
}

// latin1 encodes a text, if Latin-1 has all of its characters; a zero cannot be
// in a PNG's text.
func latin1(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff || r == 0 {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// annotateJPEG adds a segment APP1 after the first marker.
func annotateJPEG(raw, data []byte) ([]byte, error) {
	data = append([]byte("Exif\x00\x00"), data...)
	if len(data)+2 > 0xffff {
		return nil, fault.Inputf("the texts need %d bytes: a JPEG has room for %d", len(data), 0xffff-2)
	}
	out := append([]byte{}, raw[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(data)+2))
	out = append(out, data...)
	return append(out, raw[2:]...), nil
}

// annotateWebP turns a file of one chunk into one of the extended form with a
// chunk EXIF.
func annotateWebP(raw []byte, size image.Point, data []byte) []byte {
	const exifFlag, alphaFlag = 1 << 3, 1 << 4
	x := make([]byte, 10)
	x[0] = exifFlag
	const riffHead, chunkHead = 12, 8
	if body := raw[riffHead+chunkHead:]; body[4]>>4&1 != 0 { // VP8L: "alpha is used"
		x[0] |= alphaFlag
	}
	putUint24(x[4:], size.X-1)
	putUint24(x[7:], size.Y-1)
	var file, riff bytes.Buffer
	file.WriteString("WEBP")
	writeChunk(&file, "VP8X", x)
	file.Write(raw[riffHead:])
	writeChunk(&file, "EXIF", data)
	writeChunk(&riff, "RIFF", file.Bytes())
	return riff.Bytes()
}
