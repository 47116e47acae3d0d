package intake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
)

var checker = Checker{Limits: DefaultLimits, Samplers: func(sampler, scheduler string) (Sampling, error) {
	if sampler != "Euler" && sampler != "DDIM" {
		return Sampling{}, fmt.Errorf("there is no sampler %q", sampler)
	}
	return Sampling{sampler, scheduler, sampler == "DDIM"}, nil
}}

var model = catalog.Model{ID: "m", Tasks: []job.Type{job.TextToImage, job.ImageToImage, job.Inpaint}, Width: 64, Height: 96, Unit: 32,
	Steps: 30, CFGScale: 6.5, Sampler: "Euler", Timesteps: 1000}

func ptr[T any](v T) *T { return &v }

func pngOf(w, h int) []byte {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)))
	return b.Bytes()
}

// TestDefaults: what is absent is the model's, and a random seed is known.
func TestDefaults(t *testing.T) {
	j, _, err := checker.Job(model, Input{Prompt: "a"})
	r := j.Request
	if err != nil || r.Type != job.TextToImage || r.Width != 64 || r.Height != 96 || r.Steps != 30 || r.CFGScale != 6.5 || r.N != 1 ||
		r.Sampler != "Euler" || r.Seed < 0 || r.OutputFormat != "png" || r.Priority != job.Normal || r.ClipSkip != 1 || r.Eta != nil {
		t.Errorf("%+v, error %v", r, err)
	}
	j, blobs, err := checker.Job(model, Input{InitImage: pngOf(8, 9), Mask: pngOf(8, 9), Seed: ptr[int64](7)})
	if r := j.Request; err != nil || r.Type != job.Inpaint || r.Strength != .75 || len(blobs) != 2 || r.Seed != 7 {
		t.Errorf("%+v, error %v", r, err)
	}
}

// TestLeniently: fields that clients send unasked do no harm, and are said where
// a person may have meant them.
func TestLeniently(t *testing.T) {
	j, _, err := checker.Job(model, Input{Eta: ptr(1.), Prompt: "x"})
	if err != nil || j.Request.Eta != nil || len(j.Warnings) != 0 {
		t.Errorf("%+v, error %v", j, err)
	}
	if j, _, err = checker.Job(model, Input{Eta: ptr(1.), Sampler: "DDIM"}); err != nil || j.Request.Eta == nil || *j.Request.Eta != 1 {
		t.Errorf("%+v, error %v", j.Request, err)
	}
	plain := model
	plain.Tasks = []job.Type{job.Uncond}
	if j, _, err = checker.Job(plain, Input{Prompt: "x"}); err != nil || len(j.Warnings) != 1 {
		t.Errorf("%+v, error %v", j, err)
	}
	if _, _, err = checker.Job(plain, Input{Prompt: "x", Strict: true}); err == nil {
		t.Error("a text for a model without texts was taken strictly")
	}
}

func TestRefusals(t *testing.T) {
	for field, in := range map[string]Input{
		"width: 65: want a multiple of 32; the nearest are 64 and 96": {Width: ptr[int64](65)},
		"height: 0: want 1 to":                                 {Height: ptr[int64](0)},
		"height: 5: want a multiple of 32; the nearest are 32": {Height: ptr[int64](5)},
		"width: 1048576x96 pixels: want at most":               {Width: ptr[int64](1 << 20)},
		"steps: 251: want 1 to 250":                            {Steps: ptr[int64](251)},
		"cfg_scale: -1: want 0 to 100":                         {CFGScale: ptr(-1.)},
		"n: 17: want 1 to 16":                                  {N: ptr[int64](17)},
		"seed: 9007199254740992: want at most":                 {Seed: ptr[int64](1 << 53)},
		"sampler: there is no sampler":                         {Sampler: "x"},
		"eta: 2: want 0 to 1":                                  {Eta: ptr(2.)},
		"clip_skip: 13: want 1 to 12":                          {ClipSkip: ptr[int64](13)},
		"eta: Euler does not use it":                           {Eta: ptr(.5), Strict: true},
		"clip_skip: 2: the text encoder":                       {ClipSkip: ptr[int64](2)},
		"class: model m has no classes":                        {Class: int64(0)},
		"type: model m does not do upscale; it does txt2img":   {Type: job.Upscale, InitImage: pngOf(8, 8)},
		"init_image: img2img needs a picture":                  {Type: job.ImageToImage},
		"init_image: not a picture":                            {InitImage: []byte("GIF89a")},
		"mask: a mask needs a picture":                         {Mask: pngOf(8, 8)},
		"mask: the mask has 8x8 pixels, the picture 8x9":       {InitImage: pngOf(8, 9), Mask: pngOf(8, 8)},
		"strength: 1.5: want 0 to 1":                           {InitImage: pngOf(8, 9), Strength: ptr(1.5)},
		"output_format: \"gif\"":                               {OutputFormat: "gif"},
		"priority: \"urgent\"":                                 {Priority: "urgent"},
		"prompt: 32001 characters":                             {Prompt: strings.Repeat("ü", 32001)},
		"denoising: 2: want 0 to 1":                            {InitImage: pngOf(8, 9), Strength: ptr(2.), Names: map[string]string{"strength": "denoising"}},
	} {
		_, _, err := checker.Job(model, in)
		var e *fields.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("error %v, want %s", err, field)
		}
	}
}

func TestBase64(t *testing.T) {
	data := []byte("\xff\x00abc?>") // with + and / in its base64
	text := base64.StdEncoding.EncodeToString(data)
	for _, ok := range []string{text, strings.TrimRight(text, "="), "data:image/png;base64," + text, " " + text[:4] + "\r\n" + text[4:] + "\n"} {
		if got, err := Base64(ok); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%q: %q, error %v", ok, got, err)
		}
	}
	for _, bad := range []string{"", "http://127.0.0.1/x.png", "HTTPS://x", "file:///etc/passwd", "data:image/png,abc", "data:image/png;base64,", "a?", "=="} {
		if _, err := Base64(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzBase64(f *testing.F) {
	f.Add("data:image/png;base64,AAAA")
	f.Fuzz(func(t *testing.T, text string) { Base64(text) })
}
