package a1111

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
)

// images reads what img2img has beside txt2img.
func images(f *fields.Fields, in *intake.Input) {
	list := f.Strings("init_images")
	switch len(list) {
	case 0:
		f.Fail("init_images", fields.Missing, "Init image not found")
		return
	case 1:
	default:
		f.Fail("init_images", fields.InvalidValue, "%d pictures: this server takes one", len(list))
		return
	}
	var err error
	if in.InitImage, err = intake.Base64(list[0]); err != nil {
		f.Fail("init_images", fields.InvalidImage, "%v", err)
		return
	}
	in.Strength = f.Float("denoising_strength")
	in.Resize = choose(f, "resize_mode", job.Stretch, job.Crop, job.Pad, job.Latent)
	if !f.Has("mask") {
		return
	}
	data, err := intake.Base64(f.Text("mask"))
	if err == nil {
		in.Mask, err = mask(data, in.InitImage, choose(f, "inpainting_mask_invert", false, true))
	}
	if err != nil {
		f.Fail("mask", fields.InvalidMask, "%v", err)
		return
	}
	in.MaskBlur = f.Float("mask_blur")
	if in.MaskBlur == nil {
		in.MaskBlur = ptr(4.)
	}
	if x := f.Float("mask_blur_x"); x != nil {
		in.MaskBlur = x
	}
	in.MaskBlurY = f.Float("mask_blur_y")
	in.Fill = choose(f, "inpainting_fill", job.FillBlur, job.FillOriginal, job.FillNoise, job.FillZeros)
	whole := f.Bool("inpaint_full_res")
	in.FullRes = whole == nil || *whole
	in.FullResPadding = f.Int("inpaint_full_res_padding")
}

// choose is one of several values by number; absent is the first.
func choose[T any](f *fields.Fields, name string, values ...T) T {
	n := f.Int(name)
	if n == nil {
		return values[0]
	}
	if *n < 0 || int(*n) >= len(values) {
		f.Fail(name, fields.InvalidValue, "%d: want 0 to %d", *n, len(values)-1)
		return values[0]
	}
	return values[*n]
}

// maxMask bounds the pixels of a mask, before it is decoded.
const maxMask = 33554432

// mask makes A1111's mask one of this server's, of the picture's size: white is
// painted anew. Of a mask with transparency its opaque part is.
func mask(data, picData []byte, invert bool) ([]byte, error) {
	for _, d := range [][]byte{data, picData} {
		w, h, err := intake.Size(d)
		if err != nil {
			return nil, err
		}
		if w < 1 || h < 1 || w > maxMask/h {
			return nil, &fields.Error{Field: "mask", Code: fields.InvalidMask, Message: "it has too many pixels"}
		}
	}
	img, err := picture.DecodeBytes(data)
	if err != nil {
		return nil, err
	}
	width, height, err := intake.Size(picData)
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	out := image.NewGray(image.Rect(0, 0, width, height))
	opaque := img.Opaque()
	for y := range height {
		for x := range width {
			c := img.NRGBAAt(b.Min.X+x*b.Dx()/width, b.Min.Y+y*b.Dy()/height)
			paint := c.A > 127
			if opaque {
				paint = color.GrayModel.Convert(c).(color.Gray).Y > 127
			}
			if paint != invert {
				out.SetGray(x, y, color.Gray{255})
			}
		}
	}
	var buf bytes.Buffer
	err = png.Encode(&buf, out)
	return buf.Bytes(), err
}
