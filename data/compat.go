package data

import (
	"image"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// Decode reads a picture: see package picture.
func Decode(path string) (image.Image, error) { return picture.Decode(path) }

// Square scales the largest centred square of a picture: see package picture.
func Square(img image.Image, size int) *image.RGBA { return picture.Square(img, size) }

// Read reads a picture as an array: see package picture.
func Read(path string, size, unit int) (*tensor.Tensor, error) {
	return picture.Read(path, size, unit)
}

// Image turns an array into a picture: see package picture.
func Image(t *tensor.Tensor) *image.RGBA { return picture.Image(t) }

// Grid lays pictures out: see package picture.
func Grid(t *tensor.Tensor, columns int) *image.RGBA { return picture.Grid(t, columns) }

// SavePNG writes a picture in the format of its name: see package picture.
func SavePNG(path string, img image.Image) error {
	return picture.Save(path, img, picture.Options{})
}
