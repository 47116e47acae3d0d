package openai

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/intake"
)

// form reads a multipart form; files may stand before fields.
func form(r *http.Request) (*fields.Fields, map[string][]*multipart.FileHeader, error) {
	const inMemory = 64 << 20
	if err := r.ParseMultipartForm(inMemory); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, nil, err
		}
		return nil, nil, &fields.Error{Code: fields.InvalidValue, Message: "the body is not a multipart form: " + err.Error()}
	}
	io.Copy(io.Discard, r.Body) // what stands behind the form; the body has come to its end then
	return fields.Form(r.MultipartForm.Value), r.MultipartForm.File, nil
}

func readFile(h *multipart.FileHeader) ([]byte, error) {
	f, err := h.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// edit reads the picture and the mask of an edit.
func (q *query) edit(c *core.Core, f *fields.Fields, files map[string][]*multipart.FileHeader) error {
	images := append(files["image"], files["image[]"]...)
	switch len(images) {
	case 0:
		return &fields.Error{Field: "image", Code: fields.Missing, Message: "want a picture"}
	case 1:
	default:
		return &fields.Error{Field: "image", Code: fields.InvalidImage, Message: strconv.Itoa(len(images)) + " pictures: this server takes one"}
	}
	data, img, err := decode(c, images[0], "image", fields.InvalidImage)
	if err != nil {
		return err
	}
	q.in.InitImage = data
	q.in.Strength = f.Float("strength")
	b := img.Bounds()
	if q.auto {
		w, h := nearest(b.Dx(), q.model.Unit), nearest(b.Dy(), q.model.Unit)
		q.in.Width, q.in.Height = &w, &h
	}
	alpha := img
	if masks := files["mask"]; len(masks) > 0 {
		if _, alpha, err = decode(c, masks[0], "mask", fields.InvalidMask); err != nil {
			return err
		}
		if alpha.Opaque() {
			return &fields.Error{Field: "mask", Code: fields.InvalidMask, Message: "it has no transparent pixels: those with alpha 0 are edited"}
		}
		if alpha.Bounds().Size() != b.Size() {
			return &fields.Error{Field: "mask", Code: fields.InvalidMask, Message: "it has another size than the picture"}
		}
	}
	if alpha.Opaque() { // the whole picture is edited
		return f.Err()
	}
	if q.in.Mask, err = mask(alpha); err != nil {
		return err
	}
	return f.Err()
}

// nearest is the legal size next to n.
func nearest(n, unit int) int64 {
	low, high := intake.Nearest(n, unit)
	if n-low <= high-n || n < low {
		return int64(low)
	}
	return int64(high)
}

func decode(c *core.Core, h *multipart.FileHeader, field, code string) ([]byte, *image.NRGBA, error) {
	data, err := readFile(h)
	if err != nil {
		return nil, nil, err
	}
	w, height, err := intake.Size(data)
	if err == nil && (w < 1 || height < 1 || w > c.Check.Limits.MaxInputPixels/height) {
		return nil, nil, &fields.Error{Field: field, Code: code, Message: "it has too many pixels"}
	}
	var img *image.NRGBA
	if err == nil {
		img, err = picture.DecodeBytes(data)
	}
	if err != nil {
		return nil, nil, &fields.Error{Field: field, Code: code, Message: "not a picture that can be read (PNG, JPEG, WebP, GIF, BMP)"}
	}
	return data, img, nil
}

// mask makes transparency a mask of this server: what is transparent is painted anew.
func mask(alpha *image.NRGBA) ([]byte, error) {
	b := alpha.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.SetGray(x, y, color.Gray{255 - alpha.NRGBAAt(b.Min.X+x, b.Min.Y+y).A})
		}
	}
	var buf bytes.Buffer
	err := png.Encode(&buf, out)
	return buf.Bytes(), err
}
