package picture

import (
	"bytes"
	"image"
	"image/jpeg"

	"github.com/ldm-go/ldm/picture/container"
)

// adobeMarker says that four channels are CMYK, as Adobe's programs write it.
var adobeMarker = []byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")

// decodeJPEG reads a JPEG. Four channels without Adobe's marker are taken as if it
// were there, as Pillow does; the library wants it.
func decodeJPEG(raw []byte) (image.Image, error) {
	r := bytes.NewReader(raw)
	adobe, four := false, false
	for _, c := range container.Chunks(r, r.Size(), container.JPEG) {
		data, err := c.Read(r, 1<<16)
		if err != nil {
			break
		}
		switch {
		case c.Type == "FFEE" && bytes.HasPrefix(data, []byte("Adobe")):
			adobe = true
		case (c.Type == "FFC0" || c.Type == "FFC1" || c.Type == "FFC2") && len(data) > 5:
			four = data[5] == 4
		}
	}
	if !four || adobe {
		img, err := jpeg.Decode(r)
		if planes, ok := img.(*image.YCbCr); ok && err == nil {
			if out := fromYCbCr(planes); out != nil {
				return out, nil
			}
		}
		return img, err
	}
	marked := append(append(bytes.Clone(raw[:2]), adobeMarker...), raw[2:]...)
	return jpeg.Decode(bytes.NewReader(marked))
}
