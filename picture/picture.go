// Package picture reads and writes pictures: PNG, JPEG, WebP, GIF, BMP and TIFF
// as a person sees them (upright, the first frame of what moves), resizing, and
// the way to and from arrays.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
)

const (
	maxPixels = 1 << 28 // of a picture
	maxFile   = 1 << 30 // bytes
)

// Extensions are the endings of the files that Decode reads.
var Extensions = []string{".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}

// IsPicture says whether a file's name has one of the Extensions.
func IsPicture(name string) bool {
	ext := filepath.Ext(name)
	for _, known := range Extensions {
		if strings.EqualFold(ext, known) {
			return true
		}
	}
	return false
}

// Decode reads the picture in a file. It is upright, as its EXIF orientation
// has it, 8 bits a channel and not premultiplied. Of an animation it is the
// whole canvas as it is first shown. Errors are of the kind fault.File.
func Decode(path string) (*image.NRGBA, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	img, err := DecodeBytes(raw)
	return img, inFile(path, err)
}

// DecodeBytes is Decode of a file's content.
func DecodeBytes(raw []byte) (*image.NRGBA, error) {
	h, err := inspect(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	var img image.Image
	switch r := bytes.NewReader(raw); h.format {
	case container.PNG:
		img, err = png.Decode(r)
	case container.JPEG:
		img, err = decodeJPEG(raw)
	case container.WebP:
		img, err = decodeWebP(raw)
	case container.GIF:
		img, err = decodeGIF(raw, h.width, h.height)
	case container.BMP:
		img, err = bmp.Decode(r)
	case container.TIFF:
		img, err = tiff.Decode(r)
	}
	if err != nil {
		return nil, broken(err)
	}
	return upright(toNRGBA(img), h.orientation), nil
}

// Size reads a picture's header: the width and height that Decode would give.
// It is cheap, and finds files that are missing, empty or no pictures.
func Size(path string) (width, height int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fault.As(fault.File, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, 0, fault.As(fault.File, err)
	}
	if !st.Mode().IsRegular() {
		return 0, 0, fault.Filef("%s is not a regular file", path)
	}
	return sizeOf(f, st.Size(), path)
}

// SizeAt is Size of a file of so many bytes that is open.
func SizeAt(r io.ReaderAt, size int64) (width, height int, err error) {
	return sizeOf(r, size, "")
}

func sizeOf(r io.ReaderAt, size int64, path string) (int, int, error) {
	h, err := inspect(r, size)
	if err != nil {
		return 0, 0, inFile(path, err)
	}
	if h.orientation > 4 { // on its side
		return h.height, h.width, nil
	}
	return h.width, h.height, nil
}

type header struct {
	format        container.Format
	width, height int // as stored
	orientation   int
}

// inspect reads what stands before and beside the pixels.
func inspect(r io.ReaderAt, size int64) (header, error) {
	head := make([]byte, 12)
	n, _ := r.ReadAt(head, 0)
	h := header{format: container.Detect(head[:n]), orientation: 1}
	file := io.NewSectionReader(r, 0, size)
	var cfg image.Config
	var err error
	switch h.format {
	case container.PNG:
		cfg, err = png.DecodeConfig(file)
	case container.JPEG:
		cfg, err = jpeg.DecodeConfig(file)
	case container.WebP:
		cfg, err = webpConfig(r, size)
	case container.GIF:
		cfg, err = gif.DecodeConfig(file)
	case container.BMP:
		cfg, err = bmp.DecodeConfig(file)
	case container.TIFF:
		cfg, err = tiff.DecodeConfig(file)
	default:
		return h, notAPicture(head[:n], size)
	}
	if err != nil {
		return h, broken(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPixels/cfg.Height {
		return h, fault.Filef("%dx%d pixels: want at least 1 and at most %d", cfg.Width, cfg.Height, maxPixels)
	}
	h.width, h.height = cfg.Width, cfg.Height
	h.orientation = orientation(r, size, h.format)
	return h, nil
}

func notAPicture(head []byte, size int64) error {
	what := "not a picture of a known kind (PNG, JPEG, WebP, GIF, BMP, TIFF)"
	switch {
	case size == 0:
		what = "an empty file"
	case len(head) >= 12 && (string(head[4:12]) == "ftypavif" || string(head[4:12]) == "ftypavis"):
		what = "an AVIF picture, which is not read: convert it to PNG or JPEG"
	case len(head) >= 8 && string(head[4:8]) == "ftyp":
		what = "a HEIC picture or a video, which are not read: convert it to PNG or JPEG"
	case bytes.HasPrefix(head, []byte("version http")):
		what = "a Git LFS pointer, not the picture itself: run git lfs pull"
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")):
		what = "text (HTML, XML or SVG), not a picture of pixels"
	}
	return fault.Filef("%s", what)
}

// readFile reads a file, or what a pipe delivers.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fault.Inputf("%s is a folder: want a picture", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	if len(raw) > maxFile {
		return nil, fault.Filef("%s has more than %d bytes", path, maxFile)
	}
	return raw, nil
}

func broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fault.Filef("the picture is cut off: %w", err)
	}
	return fault.As(fault.File, err)
}

func inFile(path string, err error) error {
	if err == nil || path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}
