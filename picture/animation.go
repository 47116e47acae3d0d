package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"io"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture/container"
)

// SaveAnimation writes frames of one size, so many a second and again and again, as a
// GIF of the 256 colours that they need most, or a PNG (APNG), as the name says. The file
// carries the notes.
func SaveAnimation(path string, frames []image.Image, perSecond int, notes ...Note) error {
	if len(frames) == 0 || perSecond < 1 || perSecond > 100 {
		return fault.Inputf("%d frames at %d a second: want some, and 1 to 100 a second", len(frames), perSecond)
	}
	write := animatePNG
	if strings.EqualFold(filepath.Ext(path), ".gif") {
		write = animateGIF
	}
	return output.Write(path, func(w io.Writer) error { return write(w, frames, perSecond, notes) })
}

// animatePNG writes the chunks of the PNG specification's third edition: acTL says how
// many frames there are, and a chunk fcTL stands before each one's data, which are
// in IDAT for the first and in fdAT for the others.
func animatePNG(w io.Writer, frames []image.Image, perSecond int, notes []Note) error {
	var out bytes.Buffer
	sequence := uint32(0)
	next := func(data ...byte) []byte {
		data = append(binary.BigEndian.AppendUint32(nil, sequence), data...)
		sequence++
		return data
	}
	for i, frame := range frames {
		opaque := OnWhite(frame)
		var raw bytes.Buffer
		if err := png.Encode(&raw, opaque); err != nil {
			return err
		}
		var control []byte
		for _, v := range []int{opaque.Rect.Dx(), opaque.Rect.Dy(), 0, 0} {
			control = binary.BigEndian.AppendUint32(control, uint32(v))
		}
		control = binary.BigEndian.AppendUint16(control, 1)
		control = append(binary.BigEndian.AppendUint16(control, uint16(perSecond)), 0, 0)
		for at := len(container.PNGSignature); at+12 <= raw.Len(); {
			chunk := raw.Bytes()[at:]
			name, data := string(chunk[4:8]), chunk[8:8+binary.BigEndian.Uint32(chunk)]
			at += 12 + len(data)
			switch {
			case name == "IHDR" && i == 0:
				out.WriteString(container.PNGSignature)
				writePNGChunk(&out, name, data)
				counts := binary.BigEndian.AppendUint32(nil, uint32(len(frames)))
				writePNGChunk(&out, "acTL", binary.BigEndian.AppendUint32(counts, 0))
			case name == "IDAT":
				if control != nil {
					writePNGChunk(&out, "fcTL", next(control...))
					control = nil
				}
				if i == 0 {
					writePNGChunk(&out, name, data)
				} else {
					writePNGChunk(&out, "fdAT", next(data...))
				}
			}
		}
	}
	writePNGChunk(&out, "IEND", nil)
	raw, err := annotate(out.Bytes(), container.PNG, frames[0].Bounds().Size(), notes)
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	return err
}
