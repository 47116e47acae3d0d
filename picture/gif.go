package picture

import (
	"bytes"
	"image"
	"image/gif"
)

// decodeGIF is the canvas with the first frame on it; where that does not
// cover it, the canvas is transparent.
func decodeGIF(raw []byte, width, height int) (image.Image, error) {
	frame, err := gif.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	canvas := image.Rect(0, 0, width, height)
	if frame.Bounds() == canvas {
		return frame, nil
	}
	return place(toNRGBA(frame), canvas, frame.Bounds().Min), nil
}

// place copies a picture to a place of a transparent canvas.
func place(src *image.NRGBA, canvas image.Rectangle, at image.Point) *image.NRGBA {
	out := image.NewNRGBA(canvas)
	r := src.Rect.Add(at).Intersect(canvas)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		from := src.PixOffset(r.Min.X-at.X, y-at.Y)
		copy(out.Pix[out.PixOffset(r.Min.X, y):][:4*r.Dx()], src.Pix[from:][:4*r.Dx()])
	}
	return out
}
