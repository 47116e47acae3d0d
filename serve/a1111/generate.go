package a1111

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// names are A1111's names of fields, for errors.
var names = map[string]string{
	"sampler": "sampler_name", "n": "batch_size", "strength": "denoising_strength", "init_image": "init_images",
	"mask_blur_y": "mask_blur_y", "output_format": "samples_format", "controls": controlField,
	"controls[].strength": "weight", "controls[].start": "guidance_start", "controls[].end": "guidance_end",
	"token_merging": "override_settings.token_merging_ratio", "cfg_interval": "override_settings.skip_early_cond",
}

// extra is what the answer needs of a request.
type extra struct {
	Iterations int `json:"n_iter"`
	Batch      int `json:"batch_size"`
}

func (a *API) textToImage(w http.ResponseWriter, r *http.Request) { a.generate(w, r, false) }

func (a *API) imageToImage(w http.ResponseWriter, r *http.Request) { a.generate(w, r, true) }

func (a *API) generate(w http.ResponseWriter, r *http.Request, withImage bool) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	j, blobs, x, err := a.read(f, withImage)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	j.Key, j.Family = front.Key(r.Context()), job.A1111
	j.Extra, _ = json.Marshal(x)
	done, err := a.Do(r.Context(), j, blobs)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if done.Status != job.Succeeded {
		WriteProblem(w, core.Failure(done))
		return
	}
	answer, err := a.answer(r.Context(), done, f, x, withImage)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	core.JSON(w, http.StatusOK, answer)
}

// read makes a job of the fields.
func (a *API) read(f *fields.Fields, withImage bool) (j job.Job, blobs intake.Blobs, x extra, err error) {
	refuseUndone(f)
	in := intake.Input{
		Prompt: prompt(f, "prompt"), NegativePrompt: prompt(f, "negative_prompt"), Seed: f.Int("seed"),
		Width: f.Int("width"), Height: f.Int("height"), Steps: f.Int("steps"), CFGScale: f.Float("cfg_scale"), Eta: f.Float("eta"),
		Sampler: f.Text("sampler_name"), Scheduler: f.Text("scheduler"), ClipSkip: f.Int("clip_skip"), Names: names, PreviewEvery: previews,
	}
	if in.Sampler == "" {
		in.Sampler = f.Text("sampler_index")
	}
	x = extra{Iterations: count(f, "n_iter"), Batch: count(f, "batch_size")}
	n := int64(x.Iterations) * int64(x.Batch)
	in.N = &n
	if x.Iterations > 1 { // what a skip ends, and what progress counts
		in.Together = x.Batch
	}
	a.scripts(f, &in)
	model, format := overrides(f, &in, withImage)
	in.OutputFormat = format
	if withImage {
		images(f, &in)
	}
	if name := f.Text("model"); name != "" {
		model = name
	}
	if err := f.Err(); err != nil {
		return j, nil, x, err
	}
	m, err := a.model(model)
	if err != nil {
		return j, nil, x, fmt.Errorf("%w: %q", err, model)
	}
	if c := f.Int("class"); c != nil {
		in.Class = *c
	}
	j, blobs, err = a.Check.Job(m, in)
	return j, blobs, x, err
}

// previews: a picture of what is predicted, while somebody asks for the progress.
var previews = ptr[int64](1)

func ptr[T any](v T) *T { return &v }

// prompt is a text; of a list of one for each picture this server takes one alone.
func prompt(f *fields.Fields, name string) string {
	list := f.Strings(name)
	if len(list) > 1 {
		f.Fail(name, fields.Unsupported, "%d texts: this server takes one for all pictures", len(list))
	}
	text := strings.Join(list, "")
	if f.True("disable_extra_networks") {
		text, _, _ = lora.Tags(text)
	}
	return text
}

func count(f *fields.Fields, name string) int {
	n := f.Int(name)
	if n == nil {
		return 1
	}
	if *n < 1 || *n > 1000 {
		f.Fail(name, fields.InvalidValue, "%d: want at least 1", *n)
		return 1
	}
	return int(*n)
}

// refuseUndone refuses what would change the picture and is not done here; values
// that ask for nothing are taken.
func refuseUndone(f *fields.Fields) {
	for _, name := range []string{"enable_hr", "tiling", "restore_faces"} {
		if f.True(name) {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
	for name, nothing := range map[string]float64{
		"subseed_strength": 0, "s_churn": 0, "s_noise": 1, "s_min_uncond": 0, "s_tmin": 0, "initial_noise_multiplier": 1,
	} {
		if v := f.Float(name); v != nil && *v != nothing {
			f.Fail(name, fields.Unsupported, "%g: this server knows %g alone", *v, nothing)
		}
	}
	for _, name := range []string{"seed_resize_from_w", "seed_resize_from_h"} {
		if v := f.Int(name); v != nil && *v > 0 {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
	if v := f.Float("s_tmax"); v != nil && *v != 0 && *v < 1000 {
		f.Fail("s_tmax", fields.Unsupported, "this server cannot do that")
	}
	for _, name := range []string{"refiner_checkpoint", "firstpass_image"} {
		if s, ok := f.Any(name).(string); ok && s != "" && s != "None" {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
	if list, ok := f.Any("lora").([]any); ok && len(list) > 0 {
		f.Fail("lora", fields.Unsupported, "name LoRAs in the prompt, as <lora:NAME:0.8>")
	}
	if s, ok := f.Any("script_name").(string); ok && s != "" && s != "None" {
		f.Fail("script_name", fields.Unsupported, "script %s not found", s)
	}
	if round := f.Bool("mask_round"); round != nil && !*round {
		f.Fail("mask_round", fields.Unsupported, "this server rounds masks")
	}
	if f.Has("latent_mask") {
		f.Fail("latent_mask", fields.Unsupported, "this server cannot do that")
	}
}

// overrides reads the settings of one request.
func overrides(f *fields.Fields, in *intake.Input, withImage bool) (model, format string) {
	o := f.Sub("override_settings")
	model = o.Text("sd_model_checkpoint")
	if skip := o.Int("CLIP_stop_at_last_layers"); skip != nil && in.ClipSkip == nil {
		in.ClipSkip = skip
	}
	if vae := o.Text("sd_vae"); vae != "" && !strings.EqualFold(vae, "Automatic") && !strings.EqualFold(vae, "None") {
		f.Fail("override_settings.sd_vae", fields.Unsupported, "%q: this server knows Automatic and None", vae)
	}
	if delta := o.Int("eta_noise_seed_delta"); delta != nil && *delta != 0 {
		f.Fail("override_settings.eta_noise_seed_delta", fields.Unsupported, "this server knows 0 alone")
	}
	switch format = strings.ToLower(o.Text("samples_format")); format {
	case "jpg":
		format = "jpeg"
	}
	savings(o, in, withImage)
	if err := o.Err(); err != nil {
		f.Fail("override_settings", fields.InvalidType, "%v", err)
	}
	return model, format
}

// answer is what A1111 answers.
func (a *API) answer(ctx context.Context, j job.Job, f *fields.Fields, x extra, withImage bool) (any, error) {
	images := []string{}
	send := f.Bool("send_images")
	for _, img := range j.Images {
		data, err := a.Blobs.Get(ctx, j.ID, worker.BlobName(img.Index))
		if err != nil {
			return nil, err
		}
		if send == nil || *send {
			images = append(images, encode(data))
		}
	}
	m, _ := a.Model(j.Request.Model)
	info, err := json.Marshal(newInfo(j, x, m, a.Version, withImage))
	if err != nil {
		return nil, err
	}
	parameters := f.Values()
	if include := f.Bool("include_init_images"); include == nil || !*include {
		for _, name := range []string{"init_images", "mask", "alwayson_scripts"} {
			if _, ok := parameters[name]; ok {
				parameters[name] = nil
			}
		}
	}
	return map[string]any{"images": images, "parameters": parameters, "info": string(info)}, nil
}
