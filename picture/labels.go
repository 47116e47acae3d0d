package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
)

// Labels is a map that says of each pixel what is there.
type Labels struct {
	Width, Height int
	Index         []int32      // [Height, Width]: places of the palette, or grey values
	Colors        []color.RGBA // what Index counts, if the file has colours and no palette: in the order of their first pixels
	Palette       []color.RGBA // of a file with a palette
}

// maxColors bounds the labels of a map in colours: a photograph has more.
const maxColors = 1 << 12

// DecodeLabels reads a map of labels in PNG: the places of a palette (as VOC's
// and Cityscapes' maps have them), grey values of 8 or 16 bits (ADE20K, COCO's
// stuff), or colours, of which each is a label.
func DecodeLabels(raw []byte) (*Labels, error) {
	if h, err := inspect(bytes.NewReader(raw), int64(len(raw))); err != nil {
		return nil, err
	} else if h.format != container.PNG {
		return nil, fault.Filef("a map of labels in %s: want a PNG, which keeps labels exact", h.format)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, broken(err)
	}
	b := img.Bounds()
	l := &Labels{Width: b.Dx(), Height: b.Dy(), Index: make([]int32, b.Dx()*b.Dy())}
	switch img := img.(type) {
	case *image.Paletted:
		for _, c := range img.Palette {
			l.Palette = append(l.Palette, color.RGBAModel.Convert(c).(color.RGBA))
		}
		l.fill(func(x, y int) int32 { return int32(img.ColorIndexAt(x, y)) })
	case *image.Gray:
		l.fill(func(x, y int) int32 { return int32(img.GrayAt(x, y).Y) })
	case *image.Gray16:
		l.fill(func(x, y int) int32 { return int32(img.Gray16At(x, y).Y) })
	default:
		places := map[color.RGBA]int32{}
		l.fill(func(x, y int) int32 {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			at, known := places[c]
			if !known {
				at = int32(len(l.Colors))
				places[c] = at
				l.Colors = append(l.Colors, c)
			}
			return at
		})
		if len(l.Colors) > maxColors {
			return nil, fault.Filef("a map of labels with %d colours: want at most %d, one for each label", len(l.Colors), maxColors)
		}
	}
	return l, nil
}

func (l *Labels) fill(at func(x, y int) int32) {
	for i := range l.Index {
		l.Index[i] = at(i%l.Width, i/l.Width)
	}
}

// Resize scales a part of the map to width x height; each pixel takes one label.
func (l *Labels) Resize(width, height int, w Window) *Labels {
	out := &Labels{Width: width, Height: height, Index: make([]int32, width*height), Colors: l.Colors, Palette: l.Palette}
	out.fill(func(x, y int) int32 {
		sx := min(int(w.X0+(float64(x)+0.5)*(w.X1-w.X0)/float64(width)), l.Width-1)
		sy := min(int(w.Y0+(float64(y)+0.5)*(w.Y1-w.Y0)/float64(height)), l.Height-1)
		return l.Index[sy*l.Width+sx]
	})
	return out
}
