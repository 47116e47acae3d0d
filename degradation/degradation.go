// Package degradation makes small pictures of large ones as super-resolution is
// trained on them: by bicubic reduction, or by the chains of blur, reduction, noise
// and JPEG of BSRGAN (Zhang, Liang, Van Gool and Timofte, "Designing a Practical
// Degradation Model for Deep Blind Image Super-Resolution", arXiv 2103.14006), as
// the reference runs them.
package degradation

import (
	"image"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// Kind is a way to degrade a picture.
type Kind uint8

// The kinds. Bicubic is that of the paper's table 5, antialiased as Pillow's; BSR
// and its light variant are the reference's degradation_fn_bsr and
// degradation_fn_bsr_light.
const (
	Bicubic Kind = iota
	BSR
	BSRLight
)

var names = []string{"bicubic", "bsr", "bsr-light"}

// String is the kind's name in YAML.
func (k Kind) String() string { return names[k] }

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a name.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fault.Inputf("degradation %q: want %s", b, strings.Join(names, ", "))
	}
	*k = Kind(i)
	return nil
}

// Apply makes a picture factor times as small; a rest of its sides is cut off. All
// chance comes from s.
func (k Kind) Apply(img *image.RGBA, factor int, s tensor.Stream) (*image.RGBA, error) {
	w, h := img.Rect.Dx()/max(factor, 1)*factor, img.Rect.Dy()/max(factor, 1)*factor
	if factor < 1 || w == 0 || h == 0 {
		return nil, fault.Inputf("a picture of %dx%d, %d times as small: want at least %d pixels a side", img.Rect.Dx(), img.Rect.Dy(), factor, factor)
	}
	img = img.SubImage(image.Rectangle{img.Rect.Min, img.Rect.Min.Add(image.Pt(w, h))}).(*image.RGBA)
	switch k {
	case BSR:
		return bsr.apply(fromImage(img), factor, s).toImage(), nil
	case BSRLight:
		return bsrLight.apply(fromImage(img), factor, s).toImage(), nil
	}
	return picture.Resize(img, w/factor, h/factor, picture.Bicubic), nil
}
