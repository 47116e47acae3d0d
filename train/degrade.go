package train

import (
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// Degradations of super-resolution.
const (
	degradationBicubic = "bicubic" // antialiased, as Pillow's
)

var degradations = []string{degradationBicubic}

// degrade makes a picture small.
func degrade(img *image.RGBA, how string, size int, s tensor.Stream) (*image.RGBA, error) {
	switch how {
	case degradationBicubic:
		return picture.Resize(img, size, size, picture.Bicubic), nil
	}
	return nil, fault.Inputf("degradation is %q: want one of %v", how, degradations)
}
