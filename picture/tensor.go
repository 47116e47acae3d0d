package picture

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// Tensor turns a picture into [1, H, W, 3] in [-1, 1], on white where it is
// transparent.
func Tensor(img image.Image) *tensor.Tensor {
	rgba := OnWhite(img)
	t := tensor.New(1, rgba.Rect.Dy(), rgba.Rect.Dx(), 3)
	Fill(t.F32, rgba)
	return t
}

// Fill writes the pixels of an opaque picture to dst [H, W, 3] in [-1, 1].
func Fill(dst []float32, img *image.RGBA) {
	w := img.Rect.Dx()
	for y := range img.Rect.Dy() {
		from, to := img.Pix[y*img.Stride:], dst[3*w*y:]
		for x := range w {
			for c := range 3 {
				to[3*x+c] = float32(from[4*x+c])/127.5 - 1
			}
		}
	}
}

// Image turns [H, W, 3] in [-1, 1] into a picture; values outside are limited.
func Image(t *tensor.Tensor) *image.RGBA {
	h, w := t.Shape[0], t.Shape[1]
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		p := t.F32[i*3:][:3]
		out.SetRGBA(i%w, i/w, color.RGBA{byteOf(p[0]), byteOf(p[1]), byteOf(p[2]), 255})
	}
	return out
}

func byteOf(v float32) byte {
	return byte(min(max(math.RoundToEven(float64(v+1)*127.5), 0), 255))
}

// Grid is the Sheet of pictures [N, H, W, 3].
func Grid(t *tensor.Tensor, columns int) *image.RGBA {
	images := make([]image.Image, t.Shape[0])
	for i := range images {
		images[i] = Image(t.Row(i))
	}
	return Sheet(images, columns)
}

// Sheet lays pictures of one size out in rows of so many columns, a pixel apart.
func Sheet(images []image.Image, columns int) *image.RGBA {
	n, size := len(images), images[0].Bounds().Size()
	columns = min(max(columns, 1), n)
	rows := (n + columns - 1) / columns
	out := image.NewRGBA(image.Rect(0, 0, columns*(size.X+1)-1, rows*(size.Y+1)-1))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	for i, img := range images {
		at := image.Pt(i%columns*(size.X+1), i/columns*(size.Y+1))
		draw.Draw(out, image.Rectangle{at, at.Add(size)}, img, img.Bounds().Min, draw.Src)
	}
	return out
}
