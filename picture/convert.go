package picture

import (
	"image"
	"image/color"
	"image/draw"
)

// toNRGBA converts a picture to 8 bits a channel, not premultiplied: of 16 bits
// the high byte.
func toNRGBA(img image.Image) *image.NRGBA {
	b := img.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	switch src := img.(type) {
	case *image.NRGBA:
		if b.Min == (image.Point{}) && src.Stride == 4*b.Dx() {
			return src
		}
		for y := range b.Dy() {
			copy(out.Pix[y*out.Stride:][:out.Stride], src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):])
		}
	case *image.NRGBA64:
		for y := range b.Dy() {
			from, to := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):], out.Pix[y*out.Stride:][:out.Stride]
			for i := range to {
				to[i] = from[2*i]
			}
		}
	case *image.Paletted:
		fromPalette(out, src)
	case interface{ Opaque() bool }:
		if src.Opaque() {
			// An opaque picture is the same premultiplied, and draw is quick there.
			rgba := &image.RGBA{Pix: out.Pix, Stride: out.Stride, Rect: out.Rect}
			draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Src)
			return out
		}
		draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	default:
		draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	}
	return out
}

func fromPalette(out *image.NRGBA, src *image.Paletted) {
	var palette [256]color.NRGBA
	for i, c := range src.Palette {
		palette[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
	}
	b := src.Rect
	for y := range b.Dy() {
		row := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:b.Dx()]
		for x, v := range row {
			c := palette[v]
			i := y*out.Stride + 4*x
			out.Pix[i], out.Pix[i+1], out.Pix[i+2], out.Pix[i+3] = c.R, c.G, c.B, c.A
		}
	}
}

// upright turns and mirrors a picture as its EXIF orientation says: 1 as it is,
// 2 mirrored, 3 upside down, 4 both, 5 to 8 the same with rows and columns
// exchanged.
func upright(src *image.NRGBA, orientation int) *image.NRGBA {
	if orientation <= 1 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	right := orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8 // from the right end of a row
	bottom := orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7
	aside := orientation > 4
	outW, outH := w, h
	if aside {
		outW, outH = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, outW, outH))
	for y := range outH {
		for x := range outW {
			sx, sy := x, y
			if aside {
				sx, sy = y, x
			}
			if right {
				sx = w - 1 - sx
			}
			if bottom {
				sy = h - 1 - sy
			}
			copy(out.Pix[y*out.Stride+4*x:][:4], src.Pix[sy*src.Stride+4*sx:][:4])
		}
	}
	return out
}

// OnWhite is a picture on white paper: opaque.
func OnWhite(img image.Image) *image.RGBA { return OnColor(img, color.White) }

// OnColor is a picture on paper of one colour: opaque.
func OnColor(img image.Image, ground color.Color) *image.RGBA {
	if rgba, ok := img.(*image.RGBA); ok && rgba.Rect.Min == (image.Point{}) && rgba.Opaque() {
		return rgba
	}
	src, ok := img.(*image.NRGBA)
	if !ok {
		src = toNRGBA(img)
	}
	b := src.Rect
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	g := color.NRGBAModel.Convert(ground).(color.NRGBA)
	paper := [3]uint32{uint32(g.R), uint32(g.G), uint32(g.B)}
	for y := range b.Dy() {
		from, to := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):], out.Pix[y*out.Stride:]
		for x := range b.Dx() {
			s, d := from[4*x:][:4], to[4*x:][:4]
			d[3] = 255
			a := uint32(s[3])
			if a == 255 {
				d[0], d[1], d[2] = s[0], s[1], s[2]
				continue
			}
			for c := range paper {
				d[c] = byte((uint32(s[c])*a + paper[c]*(255-a) + 127) / 255)
			}
		}
	}
	return out
}
