package a1111

import (
	"encoding/json"
	"image"
	"math"
	"net/http"
	"strconv"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// filters are the upscalers that need no model, by A1111's names.
var filters = map[string]picture.Filter{"": picture.Lanczos, "None": picture.Lanczos, "Lanczos": picture.Lanczos, "Nearest": picture.Nearest}

func (a *API) upscalers(w http.ResponseWriter, _ *http.Request) {
	type upscaler struct {
		Name      string  `json:"name"`
		ModelName any     `json:"model_name"`
		ModelPath any     `json:"model_path"`
		ModelURL  any     `json:"model_url"`
		Scale     float64 `json:"scale"`
	}
	list := []upscaler{{Name: "None", Scale: 4}, {Name: "Lanczos", Scale: 4}, {Name: "Nearest", Scale: 4}}
	for _, m := range a.upscaleModels() {
		list = append(list, upscaler{Name: m.ID, ModelName: m.FileName(), Scale: 4})
	}
	core.JSON(w, http.StatusOK, list)
}

func (a *API) upscaleModels() []catalog.Model {
	var list []catalog.Model
	for _, m := range a.Models() {
		if m.Can(job.Upscale) {
			list = append(list, m)
		}
	}
	return list
}

// size is what a request for a larger picture wants.
type size struct {
	factor        float64
	width, height int
	crop          bool
}

func readSize(f *fields.Fields) size {
	s := size{factor: 2, width: 512, height: 512, crop: true}
	if v := f.Float("upscaling_resize"); v != nil {
		if s.factor = *v; !(s.factor > 0 && s.factor <= 8) {
			f.Fail("upscaling_resize", fields.InvalidValue, "%g: want more than 0 and at most 8", s.factor)
		}
	}
	for name, to := range map[string]*int{"upscaling_resize_w": &s.width, "upscaling_resize_h": &s.height} {
		if v := f.Int(name); v != nil {
			if *v < 1 || *v > 16384 {
				f.Fail(name, fields.InvalidValue, "%d: want 1 to 16384", *v)
			}
			*to = int(*v)
		}
	}
	if b := f.Bool("upscaling_crop"); b != nil {
		s.crop = *b
	}
	if choose(f, "resize_mode", false, true) {
		s.factor = 0
	}
	for _, name := range []string{"gfpgan_visibility", "codeformer_visibility", "extras_upscaler_2_visibility"} {
		if v := f.Float(name); v != nil && *v != 0 {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
	return s
}

func (a *API) extraSingle(w http.ResponseWriter, r *http.Request) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	text := f.String("image")
	if text == nil {
		f.Fail("image", fields.Missing, "want a picture")
		text = new(string)
	}
	out, err := a.extra(r, f, *text)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	core.JSON(w, http.StatusOK, map[string]any{"html_info": "", "image": out})
}

func (a *API) extraBatch(w http.ResponseWriter, r *http.Request) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	list, ok := f.Any("imageList").([]any)
	if !ok || len(list) == 0 || len(list) > a.Check.Limits.MaxImages {
		a.refuse(w, r, &fields.Error{Field: "imageList", Code: fields.InvalidValue, Message: "want a list of 1 to " + strconv.Itoa(a.Check.Limits.MaxImages) + " pictures"})
		return
	}
	images := []string{}
	for _, e := range list {
		m, _ := e.(map[string]any)
		text, _ := m["data"].(string)
		out, err := a.extra(r, f, text)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		images = append(images, out)
	}
	core.JSON(w, http.StatusOK, map[string]any{"html_info": "", "images": images})
}

// extra makes one picture larger.
func (a *API) extra(r *http.Request, f *fields.Fields, text string) (string, error) {
	want := readSize(f)
	name := f.Text("upscaler_1")
	if err := f.Err(); err != nil {
		return "", err
	}
	data, err := intake.Base64(text)
	if err != nil {
		return "", &fields.Error{Field: "image", Code: fields.InvalidImage, Message: err.Error()}
	}
	img, err := a.decode("image", data)
	if err != nil {
		return "", err
	}
	filter, plain := filters[name]
	if !plain {
		if img, err = a.upscale(r, name, data); err != nil {
			return "", err
		}
		filter = picture.Lanczos
	}
	b := img.Bounds()
	if want.factor > 0 {
		small, err := a.decode("image", data)
		if err != nil {
			return "", err
		}
		want.width = max(int(math.Round(float64(small.Bounds().Dx())*want.factor)), 1)
		want.height = max(int(math.Round(float64(small.Bounds().Dy())*want.factor)), 1)
		want.crop = false
	}
	if want.width*want.height > a.Check.Limits.MaxInputPixels {
		return "", &fields.Error{Field: "upscaling_resize", Code: fields.InvalidValue, Message: "the result would have too many pixels"}
	}
	rgba := picture.OnWhite(img)
	if want.crop && b.Dx()*want.height != b.Dy()*want.width {
		rgba = picture.Cover(rgba, want.width, want.height)
	} else {
		rgba = picture.Resize(rgba, want.width, want.height, filter)
	}
	out, err := picture.Encode(rgba, container.PNG, picture.Options{})
	return encode(out), err
}

func (a *API) decode(field string, data []byte) (*image.NRGBA, error) {
	w, h, err := intake.Size(data)
	if err == nil && (w < 1 || h < 1 || w > a.Check.Limits.MaxInputPixels/h) {
		return nil, &fields.Error{Field: field, Code: fields.InvalidImage, Message: "it has too many pixels"}
	}
	var img *image.NRGBA
	if err == nil {
		img, err = picture.DecodeBytes(data)
	}
	if err != nil {
		return nil, &fields.Error{Field: field, Code: fields.InvalidImage, Message: "not a picture that can be read"}
	}
	return img, nil
}

// upscale runs a super-resolution model.
func (a *API) upscale(r *http.Request, name string, data []byte) (*image.NRGBA, error) {
	m, err := a.Model(name)
	if err != nil || !m.Can(job.Upscale) {
		return nil, &fields.Error{Field: "upscaler_1", Code: fields.InvalidValue, Message: "could not find upscaler named " + name}
	}
	j, blobs, err := a.Check.Job(m, intake.Input{Type: job.Upscale, InitImage: data, Names: names})
	if err != nil {
		return nil, err
	}
	j.Key, j.Family = front.Key(r.Context()), job.A1111
	j.Extra, _ = json.Marshal(extra{1, 1})
	done, err := a.Do(r.Context(), j, blobs)
	if err != nil {
		return nil, err
	}
	if done.Status != job.Succeeded || len(done.Images) == 0 {
		p := core.Failure(done)
		return nil, &fields.Error{Code: fields.InvalidValue, Message: p.Message}
	}
	large, err := a.Blobs.Get(r.Context(), j.ID, worker.BlobName(done.Images[0].Index))
	if err != nil {
		return nil, err
	}
	return picture.DecodeBytes(large)
}
