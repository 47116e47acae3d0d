package stock

import (
	"context"
	"image"
	"image/color"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
	"github.com/ldm-go/ldm/tensor"
)

// start reads the picture that a job begins with, and its mask.
func (s *Stock) start(ctx context.Context, m *ldm.Model, t *worker.Task, out *work) error {
	r := t.Job.Request
	if r.InitImage == "" {
		return nil
	}
	img, err := blob(ctx, t, r.InitImage)
	if err != nil {
		return err
	}
	if r.Type == job.Upscale {
		enlarge(m, out, img)
		return nil
	}
	const least = 1e-6 // a strength of 0 is one step
	out.Strength = max(r.Strength, least)
	if r.Mask == "" {
		out.Start, err = fit(ctx, m, img, r)
		return err
	}
	mask, err := blob(ctx, t, r.Mask)
	if err != nil {
		return err
	}
	return hole(ctx, m, r, img, blurred(mask, r), out)
}

// enlarge makes the request for a small picture of any size.
func enlarge(m *ldm.Model, out *work, img image.Image) {
	f, unit := m.FirstStage().Factor(), m.Network().UNet.Factor()
	size := img.Bounds().Size()
	up := func(v int) int { return (v + unit - 1) / unit * unit }
	out.Condition = ldm.Picture{Image: retouch.Enlarge(picture.OnWhite(img), up(size.X), up(size.Y))}
	out.Width, out.Height = up(size.X)*f, up(size.Y)*f
	out.after = func(made image.Image) image.Image {
		return retouch.Crop(made, image.Rect(0, 0, size.X*f, size.Y*f))
	}
}

// blurred is a mask with the soft edge that was asked for.
func blurred(img image.Image, r job.Request) *image.Gray {
	b := img.Bounds()
	m := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	white := picture.OnWhite(img)
	for i := range m.Pix {
		m.Pix[i] = color.GrayModel.Convert(white.RGBAAt(i%b.Dx(), i/b.Dx())).(color.Gray).Y
	}
	y := r.MaskBlur
	if r.MaskBlurY != nil {
		y = *r.MaskBlurY
	}
	return retouch.Blur(m, r.MaskBlur, y)
}

// hole makes the request for a picture with a mask: of the whole, at the size that was
// asked for, or of the masked part alone, which is put back. An empty mask has no part:
// it is image to image then.
func hole(ctx context.Context, m *ldm.Model, r job.Request, img image.Image, mask *image.Gray, out *work) error {
	var start image.Image
	back := func(made image.Image) image.Image { return made }
	switch part, err := retouch.NewPart(img, mask, r.FullResPadding, image.Pt(r.Width, r.Height)); {
	case r.FullRes && err != nil:
		out.Start, err = fit(ctx, m, img, r)
		return err
	case r.FullRes:
		start, mask = part.Picture(), part.PartMask()
		back = func(made image.Image) image.Image { return part.Back(made) }
	default:
		if start, err = fit(ctx, m, img, r); err != nil {
			return err
		}
		mask = retouch.FitMask(mask, r.Width, r.Height, modes[r.Resize])
	}
	if r.Fill == job.FillBlur {
		start = retouch.Fill(start, mask)
	}
	out.Start, out.after = start, back
	if !m.Network().Inpaints() {
		out.Mask, out.Fill = mask, map[job.Fill]ldm.Fill{job.FillNoise: ldm.FillNoise, job.FillZeros: ldm.FillZeros}[r.Fill]
		return nil
	}
	text, _ := out.Condition.(ldm.Prompt)
	out.Condition = ldm.Masked{Image: start, Mask: retouch.Hard(mask), Prompt: string(text)}
	if r.Fill == job.FillNoise || r.Fill == job.FillZeros { // nothing of the start counts in the hole
		out.Start, out.Strength = nil, 0
	}
	out.after = func(made image.Image) image.Image { return back(retouch.Blend(start, made, mask)) }
	return nil
}

func blob(ctx context.Context, t *worker.Task, name string) (*image.NRGBA, error) {
	data, err := t.Blob(ctx, name)
	if err != nil {
		return nil, err
	}
	img, err := picture.DecodeBytes(data)
	return img, fault.As(fault.Input, err)
}

var modes = map[job.ResizeMode]retouch.Mode{job.Crop: retouch.Cover, job.Pad: retouch.Pad}

// fit makes a picture of the size that is asked for, in the way that is asked for.
func fit(ctx context.Context, m *ldm.Model, img image.Image, r job.Request) (image.Image, error) {
	if r.Resize == job.Latent && img.Bounds().Size() != image.Pt(r.Width, r.Height) {
		return fitLatent(ctx, m, img, r.Width, r.Height)
	}
	return retouch.Fit(img, r.Width, r.Height, modes[r.Resize]), nil
}

// fitLatent resizes a picture as its latent, by bilinear interpolation.
func fitLatent(ctx context.Context, m *ldm.Model, img image.Image, width, height int) (image.Image, error) {
	stage := m.FirstStage()
	f, size := stage.Factor(), img.Bounds().Size()
	w, h := max(size.X/f, 1)*f, max(size.Y/f, 1)*f
	moments, err := stage.Moments(ctx, picture.Tensor(retouch.Fit(img, w, h, retouch.Stretch)))
	if err != nil {
		return nil, err
	}
	z, err := stage.Mode(moments)
	if err != nil {
		return nil, err
	}
	large := tensor.New(1, height/f, width/f, z.Shape[3])
	bilinear(large, z)
	y, err := stage.Decode(ctx, large)
	if err != nil {
		return nil, err
	}
	return picture.Image(y.Row(0)), nil
}

// bilinear resizes src to dst, [1, H, W, C], with the centres of pixels half a pixel
// from their edges.
func bilinear(dst, src *tensor.Tensor) {
	h, w, c := dst.Shape[1], dst.Shape[2], dst.Shape[3]
	sh, sw := src.Shape[1], src.Shape[2]
	at := func(i, n, of int) (int, int, float32) {
		v := max((float64(i)+.5)*float64(of)/float64(n)-.5, 0)
		low := min(int(v), of-1)
		return low, min(low+1, of-1), float32(v - float64(low))
	}
	for i := range h * w {
		y0, y1, fy := at(i/w, h, sh)
		x0, x1, fx := at(i%w, w, sw)
		for k := range c {
			v := func(y, x int) float32 { return src.F32[(y*sw+x)*c+k] }
			top, bottom := v(y0, x0)*(1-fx)+v(y0, x1)*fx, v(y1, x0)*(1-fx)+v(y1, x1)*fx
			dst.F32[i*c+k] = top*(1-fy) + bottom*fy
		}
	}
}
