package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"io"
	"regexp"

	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/exif"
)

// orientation is how a picture is to be turned, 1 to 8: as its EXIF data says, or
// as ImageMagick keeps that in a PNG, or as its XMP data says.
func orientation(r io.ReaderAt, size int64, f container.Format) int {
	if f == container.TIFF {
		raw := make([]byte, min(size, 1<<20))
		n, _ := r.ReadAt(raw, 0)
		return exif.Parse(raw[:n]).Orientation()
	}
	chunks := container.Chunks(r, size, f)
	if raw := container.Exif(r, chunks); raw != nil {
		if d := exif.Parse(raw); d.HasOrientation() {
			return d.Orientation()
		}
	}
	for _, c := range chunks {
		switch c.Type {
		case "zTXt", "iTXt", "FFE1", "XMP ":
		default:
			continue
		}
		data, err := c.Read(r, 1<<20)
		if err != nil {
			continue
		}
		if raw := rawProfile(data); raw != nil {
			return exif.Parse(raw).Orientation()
		}
		if m := xmpOrientation.FindSubmatch(data); m != nil {
			return int(m[1][0] - '0')
		}
	}
	return 1
}

var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([1-8])`)

// rawProfile is the EXIF data in a zTXt chunk of ImageMagick: a name, its size,
// and hexadecimal digits, packed.
func rawProfile(data []byte) []byte {
	packed, found := bytes.CutPrefix(data, []byte("Raw profile type exif\x00\x00"))
	if !found {
		return nil
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(z, 1<<22))
	if err != nil {
		return nil
	}
	lines := bytes.Fields(text) // "exif", the size, digits
	if len(lines) < 3 {
		return nil
	}
	raw, err := hex.DecodeString(string(bytes.Join(lines[2:], nil)))
	if err != nil {
		return nil
	}
	return bytes.TrimPrefix(raw, []byte("Exif\x00\x00"))
}
