package intake

import (
	"strings"

	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
)

// pictures checks what was sent before anything is decoded.
func (k *check) pictures() {
	if k.in.Mask != nil && k.in.InitImage == nil {
		k.fail("mask", fields.InvalidMask, "a mask needs a picture")
		return
	}
	if k.in.InitImage != nil {
		k.initWidth, k.initHeight = k.picture("init_image", fields.InvalidImage, k.in.InitImage)
		k.r.InitImage, k.blobs[initBlob] = initBlob, k.in.InitImage
	}
	if k.in.Mask != nil {
		w, h := k.picture("mask", fields.InvalidMask, k.in.Mask)
		if k.err == nil && (w != k.initWidth || h != k.initHeight) {
			k.fail("mask", fields.InvalidMask, "the mask has %dx%d pixels, the picture %dx%d", w, h, k.initWidth, k.initHeight)
		}
		k.r.Mask, k.blobs[maskBlob] = maskBlob, k.in.Mask
	}
}

func (k *check) picture(field, code string, data []byte) (w, h int) {
	w, h, err := Size(data)
	switch {
	case err != nil:
		k.fail(field, code, "not a picture that can be read (PNG, JPEG, WebP, GIF, BMP)")
	case w < 1 || h < 1 || w > k.Limits.MaxInputPixels/h:
		k.fail(field, code, "%dx%d pixels: want at least 1 and at most %d", w, h, k.Limits.MaxInputPixels)
	}
	return w, h
}

// kind settles what kind of work it is, and whether the model does it.
func (k *check) kind() {
	t := k.in.Type
	if t == "" {
		switch {
		case k.in.Mask != nil:
			t = job.Inpaint
		case k.in.InitImage != nil:
			t = job.ImageToImage
		case k.m.Can(job.TextToImage):
			t = job.TextToImage
		case k.m.Can(job.ClassToImage):
			t = job.ClassToImage
		default:
			t = job.Uncond
		}
	}
	k.r.Type = t
	needs := map[job.Type]bool{job.ImageToImage: true, job.Inpaint: true, job.Upscale: true}
	switch {
	case !k.m.Can(t):
		tasks := make([]string, len(k.m.Tasks))
		for i, t := range k.m.Tasks {
			tasks[i] = string(t)
		}
		k.fail("type", fields.Unsupported, "model %s does not do %s; it does %s", k.m.ID, t, strings.Join(tasks, ", "))
	case needs[t] && k.in.InitImage == nil:
		k.fail("init_image", fields.Missing, "%s needs a picture", t)
	case t == job.Inpaint && k.in.Mask == nil:
		k.fail("mask", fields.Missing, "inpaint needs a mask")
	case !needs[t] && k.in.InitImage != nil:
		k.fail("init_image", fields.InvalidValue, "%s takes no picture", t)
	case t != job.Inpaint && k.in.Mask != nil:
		k.fail("mask", fields.InvalidValue, "%s takes no mask", t)
	}
}

// size settles width and height.
func (k *check) size() {
	if k.r.Type == job.Upscale { // the picture decides
		if k.in.Width != nil || k.in.Height != nil {
			k.fail("width", fields.InvalidValue, "upscaling has the size of its picture, times the model's factor")
		}
		return
	}
	k.r.Width = k.whole("width", k.in.Width, int64(k.m.Width), 1, 1<<20)
	k.r.Height = k.whole("height", k.in.Height, int64(k.m.Height), 1, 1<<20)
	for _, side := range []struct {
		name string
		n    int
	}{{"width", k.r.Width}, {"height", k.r.Height}} {
		if low, high := Nearest(side.n, k.m.Unit); low != side.n {
			k.fail(side.name, fields.InvalidValue, "%d: want a multiple of %d; the nearest are %d and %d", side.n, k.m.Unit, low, high)
		}
	}
	if k.r.Width*k.r.Height > k.Limits.MaxPixels {
		k.fail("width", fields.InvalidValue, "%dx%d pixels: want at most %d", k.r.Width, k.r.Height, k.Limits.MaxPixels)
	}
}

// Nearest are the multiples of unit around n, at least one unit; equal to n
// where n is one.
func Nearest(n, unit int) (low, high int) {
	low = max(n/unit*unit, unit)
	if low >= n {
		return low, low
	}
	return low, low + unit
}
