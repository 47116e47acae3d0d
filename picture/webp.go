package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
	"golang.org/x/image/webp"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
)

// webpConfig is the size of the canvas.
func webpConfig(r io.ReaderAt, size int64) (image.Config, error) {
	for _, c := range container.Chunks(r, size, container.WebP) {
		switch c.Type {
		case "VP8X":
			data, err := c.Read(r, 1<<10)
			if err != nil {
				return image.Config{}, err
			}
			if len(data) < 10 {
				return image.Config{}, fault.Filef("chunk VP8X has %d bytes: want 10", len(data))
			}
			return image.Config{Width: uint24(data[4:]) + 1, Height: uint24(data[7:]) + 1}, nil
		case "VP8 ", "VP8L":
			return frameConfig(c.Type, io.NewSectionReader(r, c.Offset, c.Size))
		}
	}
	return image.Config{}, fault.Filef("a WebP file without a picture")
}

func frameConfig(kind string, r io.Reader) (image.Config, error) {
	if kind == "VP8L" {
		return vp8l.DecodeConfig(r)
	}
	d := vp8.NewDecoder()
	d.Init(r, 10)
	h, err := d.DecodeFrameHeader()
	return image.Config{Width: h.Width, Height: h.Height}, err
}

// decodeWebP is the canvas with the picture on it, or the first frame of an
// animation; where that does not cover it, the canvas is transparent.
func decodeWebP(raw []byte) (image.Image, error) {
	r := bytes.NewReader(raw)
	cfg, err := webpConfig(r, r.Size())
	if err != nil {
		return nil, err
	}
	chunks := container.Chunks(r, r.Size(), container.WebP)
	for _, c := range chunks {
		if c.Type != "ANMF" {
			continue
		}
		data, err := content(r, c)
		if err != nil {
			return nil, err
		}
		const header = 16
		if len(data) < header {
			return nil, fault.Filef("a frame of %d bytes: want at least %d", len(data), header)
		}
		at := image.Pt(2*uint24(data), 2*uint24(data[3:]))
		size := image.Pt(uint24(data[6:])+1, uint24(data[9:])+1)
		canvas := image.Rect(0, 0, cfg.Width, cfg.Height)
		if !(image.Rectangle{Min: at, Max: at.Add(size)}).In(canvas) {
			return nil, fault.Filef("a frame of %dx%d pixels at %d,%d: want one inside the canvas of %dx%d", size.X, size.Y, at.X, at.Y, cfg.Width, cfg.Height)
		}
		frame, err := decodeFrame(r, container.RIFF(r, c.Offset+header, c.Offset+c.Size), size)
		if err != nil {
			return nil, err
		}
		return place(frame, canvas, at), nil
	}
	return decodeFrame(r, chunks, image.Pt(cfg.Width, cfg.Height))
}

// decodeFrame decodes the picture of that size among the chunks.
func decodeFrame(r *bytes.Reader, chunks []container.Chunk, size image.Point) (*image.NRGBA, error) {
	var alpha []byte
	for _, c := range chunks {
		if c.Type != "ALPH" && c.Type != "VP8 " && c.Type != "VP8L" {
			continue
		}
		data, err := content(r, c)
		if err != nil {
			return nil, err
		}
		if c.Type == "ALPH" {
			alpha = data
			continue
		}
		cfg, err := frameConfig(c.Type, bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if cfg.Width != size.X || cfg.Height != size.Y {
			return nil, fault.Filef("a frame of %dx%d pixels where the file announces %dx%d", cfg.Width, cfg.Height, size.X, size.Y)
		}
		if cfg.Width > maxPixels/cfg.Height {
			return nil, fault.Filef("a frame of %dx%d pixels: want at most %d", cfg.Width, cfg.Height, maxPixels)
		}
		if c.Type == "VP8L" {
			return decodeLossless(data)
		}
		return decodeLossy(data, alpha, size)
	}
	return nil, fault.Filef("a WebP file without a picture")
}

// content is what a chunk holds, which must be whole.
func content(r *bytes.Reader, c container.Chunk) ([]byte, error) {
	if c.Offset+c.Size > r.Size() {
		return nil, fault.Filef("the picture is cut off: its file has %d bytes, not the %d that it announces", r.Size(), c.Offset+c.Size)
	}
	return c.Read(r, c.Size)
}

func decodeLossless(data []byte) (*image.NRGBA, error) {
	img, err := vp8l.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := toNRGBA(img)
	if data[4]>>4&1 == 0 { // "alpha is used"
		for i := 3; i < len(out.Pix); i += 4 {
			out.Pix[i] = 255
		}
	}
	return out, nil
}

// decodeLossy decodes a VP8 frame and the opacity that goes with it, if any.
// The library reads opacity only as a part of a whole file, so it gets one.
func decodeLossy(data, alpha []byte, size image.Point) (*image.NRGBA, error) {
	var file bytes.Buffer
	file.WriteString("WEBP")
	if alpha != nil {
		const alphaFlag = 1 << 4
		x := make([]byte, 10)
		x[0] = alphaFlag
		putUint24(x[4:], size.X-1)
		putUint24(x[7:], size.Y-1)
		writeChunk(&file, "VP8X", x)
		writeChunk(&file, "ALPH", alpha)
	}
	writeChunk(&file, "VP8 ", data)
	var riff bytes.Buffer
	writeChunk(&riff, "RIFF", file.Bytes())
	img, err := webp.Decode(&riff)
	if err != nil {
		return nil, err
	}
	if img, ok := img.(*image.NYCbCrA); ok {
		out := fromVP8(&img.YCbCr)
		for y := range size.Y {
			for x, a := range img.A[y*img.AStride:][:size.X] {
				out.Pix[y*out.Stride+4*x+3] = a
			}
		}
		return out, nil
	}
	return fromVP8(img.(*image.YCbCr)), nil
}

func writeChunk(w *bytes.Buffer, name string, data []byte) {
	w.WriteString(name)
	w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(data))))
	w.Write(data)
	if len(data)%2 != 0 {
		w.WriteByte(0)
	}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func putUint24(b []byte, v int) { b[0], b[1], b[2] = byte(v), byte(v>>8), byte(v>>16) }
