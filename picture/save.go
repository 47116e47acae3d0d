package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"path/filepath"
	"strings"

	"github.com/HugoSmits86/nativewebp"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture/container"
)

// Written lists the endings of the files that Save writes.
const Written = ".png, .jpg, .jpeg, .webp"

// Options of a picture's file.
type Options struct {
	Quality int    // of a JPEG, 1 to 100; 0: 92
	Notes   []Note // texts that the file carries
}

// OutputFormat is the format that a file's name asks for: PNG without an
// extension, and for "-" and devices.
func OutputFormat(path string) (container.Format, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png":
		return container.PNG, nil
	case ".jpg", ".jpeg":
		return container.JPEG, nil
	case ".webp":
		return container.WebP, nil
	case "", ".":
		return container.PNG, nil
	default:
		return container.Unknown, fault.Inputf("%s: pictures are not written as %q: want one of %s", path, ext, Written)
	}
}

// CheckOutput says before any work whether Save could write to path: an empty
// name, a folder, an extension that is not written, and a place where nothing
// may be written are errors.
func CheckOutput(path string) error {
	if err := output.Check(path); err != nil {
		return err
	}
	_, err := OutputFormat(path)
	return err
}

// Save writes a picture in the format that its name asks for, as output.Write
// does: PNG, JPEG (on white where it is transparent) or lossless WebP.
func Save(path string, img image.Image, o Options) error {
	if err := CheckOutput(path); err != nil {
		return err
	}
	f, err := OutputFormat(path)
	if err != nil {
		return err
	}
	raw, err := Encode(img, f, o)
	if err != nil {
		return inFile(path, err)
	}
	return output.Write(path, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// maxWebPSide is the most that the format can say.
const maxWebPSide = 1 << 14

// Encode returns the content of a picture's file.
func Encode(img image.Image, f container.Format, o Options) ([]byte, error) {
	if o.Quality == 0 {
		o.Quality = 92
	}
	if o.Quality < 1 || o.Quality > 100 {
		return nil, fault.Inputf("quality %d: want 1 to 100", o.Quality)
	}
	var b bytes.Buffer
	var err error
	switch f {
	case container.PNG:
		err = png.Encode(&b, img)
	case container.JPEG:
		err = jpeg.Encode(&b, OnWhite(img), &jpeg.Options{Quality: o.Quality})
	case container.WebP:
		if size := img.Bounds().Size(); size.X > maxWebPSide || size.Y > maxWebPSide {
			return nil, fault.Inputf("%dx%d pixels: a WebP file has at most %d each way", size.X, size.Y, maxWebPSide)
		}
		err = nativewebp.Encode(&b, img, nil)
	default:
		return nil, fault.Inputf("pictures are not written as %q: want one of %s", f, Written)
	}
	if err != nil {
		return nil, err
	}
	return annotate(b.Bytes(), f, img.Bounds().Size(), o.Notes)
}
