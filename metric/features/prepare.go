package features

import (
	"image"

	"github.com/ldm-go/ldm/picture"
)

// squeezeInput brings a picture to 224 x 224, in [-1, 1].
func squeezeInput(dst []float32, img *image.RGBA) {
	picture.Fill(dst, resized(img, 224))
}

func resized(img *image.RGBA, size int) *image.RGBA {
	if img.Rect.Dx() == size && img.Rect.Dy() == size {
		return img
	}
	return picture.Resize(img, size, size, picture.Bicubic)
}

// inceptionInput brings a picture to 299 x 299 in [-1, 1] as pytorch-fid does:
// bilinearly, without antialiasing.
func inceptionInput(dst []float32, img *image.RGBA) { bilinear(dst, img, picture.TorchBilinear, 127.5) }

// tensorflowInput is as torch-fidelity, and the TensorFlow program before it.
func tensorflowInput(dst []float32, img *image.RGBA) { bilinear(dst, img, picture.TF1Bilinear, 128) }

func bilinear(dst []float32, img *image.RGBA, how picture.Interpolation, half float32) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	plane := make([]float32, w*h)
	for c := range 3 {
		for y := range h {
			row := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):]
			for x := range w {
				plane[y*w+x] = float32(row[4*x+c])
			}
		}
		for i, v := range picture.Interpolate(plane, h, w, inceptionSize, inceptionSize, how) {
			dst[3*i+c] = (v - half) / half
		}
	}
}

// cleanInput is as clean-fid: Pillow's bicubic filter, antialiased, on numbers that
// are not rounded.
func cleanInput(dst []float32, img *image.RGBA) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	plane := make([]float32, w*h)
	for c := range 3 {
		for y := range h {
			row := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):]
			for x := range w {
				plane[y*w+x] = float32(row[4*x+c])
			}
		}
		for i, v := range picture.ResizeFloat(plane, h, w, inceptionSize, inceptionSize, picture.Bicubic) {
			dst[3*i+c] = (v - 128) / 128
		}
	}
}

// The mean and the standard deviation of CLIP's pictures in [0, 1].
var (
	clipMean      = [3]float32{0.48145466, 0.4578275, 0.40821073}
	clipDeviation = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// clipInput brings the centred square of a picture to size x size by Pillow's
// bicubic filter, and normalises it.
func clipInput(size int) func(dst []float32, img *image.RGBA) {
	return func(dst []float32, img *image.RGBA) {
		square := picture.Square(img, size)
		for i := range size * size {
			for c := range 3 {
				dst[3*i+c] = (float32(square.Pix[4*i+c])/255 - clipMean[c]) / clipDeviation[c]
			}
		}
	}
}
