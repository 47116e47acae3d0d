package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture/container"
)

// SaveAnimation writes frames of one size, so many a second and again and again, as a
// GIF of 256 colours or a PNG (APNG), as the name says.
func SaveAnimation(path string, frames []image.Image, perSecond int) error {
	if len(frames) == 0 || perSecond < 1 || perSecond > 100 {
		return fault.Inputf("%d frames at %d a second: want some, and 1 to 100 a second", len(frames), perSecond)
	}
	write := animatePNG
	if strings.EqualFold(filepath.Ext(path), ".gif") {
		write = animateGIF
	}
	return output.Write(path, func(w io.Writer) error { return write(w, frames, perSecond) })
}

func animateGIF(w io.Writer, frames []image.Image, perSecond int) error {
	var g gif.GIF
	for _, frame := range frames {
		b := frame.Bounds()
		p := image.NewPaletted(image.Rect(0, 0, b.Dx(), b.Dy()), palette.Plan9)
		draw.FloydSteinberg.Draw(p, p.Rect, frame, b.Min)
		g.Image = append(g.Image, p)
		g.Delay = append(g.Delay, (100+perSecond/2)/perSecond)
	}
	return gif.EncodeAll(w, &g)
}

// animatePNG writes the chunks of the PNG specification's third edition: acTL says how
// many frames there are, and a chunk fcTL stands before each one's data, which are
// in IDAT for the first and in fdAT for the others.
func animatePNG(w io.Writer, frames []image.Image, perSecond int) error {
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
	_, err := w.Write(out.Bytes())
	return err
}
