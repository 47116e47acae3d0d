package container

import (
	"bytes"
	"io"
)

// maxExif bounds the EXIF data that is read: cameras put small pictures there.
const maxExif = 16 << 20

// exifHeader precedes EXIF data in JPEG, and against the standard in some PNG
// and WebP files.
const exifHeader = "Exif\x00\x00"

// Exif returns the EXIF data among the chunks (a TIFF structure), or nil.
func Exif(r io.ReaderAt, chunks []Chunk) []byte {
	for _, c := range chunks {
		switch c.Type {
		case "FFE1", "eXIf", "EXIF":
		default:
			continue
		}
		data, err := c.Read(r, maxExif)
		if err != nil {
			continue
		}
		rest, found := bytes.CutPrefix(data, []byte(exifHeader))
		if found || c.Type != "FFE1" {
			return rest
		}
	}
	return nil
}
