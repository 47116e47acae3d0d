package data

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // decoders of the formats that Open lists
	_ "image/jpeg"
	"image/png"
	"io"
	"math"
	"os"

	_ "golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/tensor"
)

// maxPixels bounds what a picture's header may ask for.
const maxPixels = 1 << 28

// Decode reads a picture of any known format.
func Decode(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cfg, _, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPixels/cfg.Height {
		return nil, fmt.Errorf("%s: %dx%d pixels: want at least 1 and at most %d", path, cfg.Width, cfg.Height, maxPixels)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// Square scales the largest centred square of a picture to size x size, on a
// white ground where it is transparent.
func Square(img image.Image, size int) *image.RGBA {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	corner := image.Pt(b.Min.X+(b.Dx()-side)/2, b.Min.Y+(b.Dy()-side)/2)
	out := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(out, out.Bounds(), img, image.Rectangle{corner, corner.Add(image.Pt(side, side))}, draw.Over, nil)
	return out
}

func readSquare(path string, size int) ([]byte, error) {
	img, err := Decode(path)
	if err != nil {
		return nil, err
	}
	square := Square(img, size)
	pixels := make([]byte, 0, size*size*3)
	for i := 0; i < len(square.Pix); i += 4 {
		pixels = append(pixels, square.Pix[i], square.Pix[i+1], square.Pix[i+2])
	}
	return pixels, nil
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

// Grid lays pictures [N, H, W, 3] out in rows of so many columns, a pixel apart.
func Grid(t *tensor.Tensor, columns int) *image.RGBA {
	n, h, w := t.Shape[0], t.Shape[1], t.Shape[2]
	columns = min(max(columns, 1), n)
	rows := (n + columns - 1) / columns
	out := image.NewRGBA(image.Rect(0, 0, columns*(w+1)-1, rows*(h+1)-1))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	for i := range n {
		at := image.Pt(i%columns*(w+1), i/columns*(h+1))
		draw.Draw(out, image.Rectangle{at, at.Add(image.Pt(w, h))}, Image(t.Row(i)), image.Point{}, draw.Src)
	}
	return out
}

// SavePNG writes a picture in one atomic step.
func SavePNG(path string, img image.Image) error {
	return checkpoint.Atomic(path, func(w io.Writer) error { return png.Encode(w, img) })
}
