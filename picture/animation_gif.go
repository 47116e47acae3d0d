package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"io"

	"github.com/soniakeys/quant/median"

	"github.com/ldm-go/ldm/picture/container"
)

// palettePixels is the number of pixels that a palette is made from.
const palettePixels = 1 << 18

// animateGIF writes frames that share one palette, so that what does not move does not
// flicker.
func animateGIF(w io.Writer, frames []image.Image, perSecond int, notes []Note) error {
	opaque := make([]*image.RGBA, len(frames))
	for i, frame := range frames {
		opaque[i] = OnWhite(frame)
	}
	colours := paletteOf(opaque)
	g := gif.GIF{Config: image.Config{ColorModel: colours, Width: opaque[0].Rect.Dx(), Height: opaque[0].Rect.Dy()}}
	for _, frame := range opaque {
		p := image.NewPaletted(frame.Rect, colours)
		draw.FloydSteinberg.Draw(p, p.Rect, frame, frame.Rect.Min)
		g.Image = append(g.Image, p)
		g.Delay = append(g.Delay, (100+perSecond/2)/perSecond)
	}
	var raw bytes.Buffer
	if err := gif.EncodeAll(&raw, &g); err != nil {
		return err
	}
	_, err := w.Write(annotateGIF(raw.Bytes(), notes))
	return err
}

// paletteOf is the palette of 256 colours that the frames need, by median cut over pixels
// from all of them.
func paletteOf(frames []*image.RGBA) color.Palette {
	total := 0
	for _, f := range frames {
		total += f.Rect.Dx() * f.Rect.Dy()
	}
	every := max((total+palettePixels-1)/palettePixels, 1)
	var pixels []color.RGBA
	at := 0
	for _, f := range frames {
		size := f.Rect.Dx() * f.Rect.Dy()
		for ; at < size; at += every {
			pixels = append(pixels, f.RGBAAt(f.Rect.Min.X+at%f.Rect.Dx(), f.Rect.Min.Y+at/f.Rect.Dx()))
		}
		at -= size
	}
	const width = 512
	all := image.NewRGBA(image.Rect(0, 0, width, (len(pixels)+width-1)/width))
	for i := range all.Rect.Dx() * all.Rect.Dy() {
		all.SetRGBA(i%width, i/width, pixels[i%len(pixels)])
	}
	return median.Quantizer(256).Quantize(make(color.Palette, 0, 256), all)
}

// annotateGIF adds a comment for each note behind the colours that all frames share.
func annotateGIF(raw []byte, notes []Note) []byte {
	at := container.GIFHead(raw)
	var out bytes.Buffer
	out.Write(raw[:at])
	for _, n := range notes {
		out.WriteString("\x21\xfe")
		for text := []byte(n.Text); len(text) > 0; {
			count := min(len(text), 255)
			out.WriteByte(byte(count))
			out.Write(text[:count])
			text = text[count:]
		}
		out.WriteByte(0)
	}
	out.Write(raw[at:])
	return out.Bytes()
}
