package serve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/servetest"
)

// picture decodes base64 without a prefix, as clients do.
func picture(t *testing.T, text any) image.Image {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// part is a part of a multipart form: a file where it has a kind.
type part struct{ name, file, kind, value string }

func (r *running) form(status int, path string, h header, parts ...part) m {
	r.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		head := textproto.MIMEHeader{}
		head.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q", p.name))
		if p.kind != "" {
			head.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.file))
			head.Set("Content-Type", p.kind)
		}
		out, err := w.CreatePart(head)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprint(out, p.value)
	}
	w.Close()
	if h == nil {
		h = header{}
	}
	h["Content-Type"] = w.FormDataContentType()
	return r.expect(status, "POST", path, b.String(), h)
}

// TestOpenWebUI makes the calls of Open WebUI 0.12.4 (routers/images.py), with the headers
// and fields that it sends, and reads the fields that it reads.
func TestOpenWebUI(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	empty := header{"Authorization": ""} // of engine automatic1111 without a password
	t.Run("automatic1111", func(t *testing.T) {
		models := r.list("/sdapi/v1/sd-models", empty)
		title := models[1].(m)["title"].(string)
		if models[1].(m)["model_name"] == "" {
			t.Error("a model without a name")
		}
		options := r.expect(200, "GET", "/sdapi/v1/options", nil, empty) // verify_url, set_image_model
		if options["sd_model_checkpoint"] == title {
			t.Fatal("the second model is the default")
		}
		options["sd_model_checkpoint"] = title
		r.expect(200, "POST", "/sdapi/v1/options", options, empty) // the whole object back
		if now := r.expect(200, "GET", "/sdapi/v1/options", nil, empty); now["sd_model_checkpoint"] != title {
			t.Errorf("the model is %v, want %s", now["sd_model_checkpoint"], title)
		}
		options["sd_model_checkpoint"] = models[0].(m)["title"]
		r.expect(200, "POST", "/sdapi/v1/options", options, empty)
		body := m{"prompt": "a cat", "batch_size": 2, "width": 512, "height": 512, "steps": 5, "negative_prompt": "a dog",
			"cfg_scale": 7, "sampler_name": "Euler", "scheduler": "Automatic"} // the last three as AUTOMATIC1111_PARAMS
		a := r.expect(200, "POST", "/sdapi/v1/txt2img", body, empty)
		images := a["images"].([]any)
		if len(images) != 2 || picture(t, images[0]).Bounds().Dx() != 512 {
			t.Fatalf("%d pictures", len(images))
		}
		if _, ok := a["info"].(string); !ok {
			t.Errorf("info is %T, not a text", a["info"])
		}
	})
	t.Run("openai", func(t *testing.T) {
		key := header{"Authorization": "Bearer "}
		a := r.expect(200, "POST", "/v1/images/generations?api-version=2025-04-01", m{"model": "dall-e-2", "prompt": "a cat", "n": 1, "size": "64x64", "response_format": "b64_json", "steps": 5}, key)
		picture(t, a["data"].([]any)[0].(m)["b64_json"])
		a = r.expect(200, "POST", "/v1/images/generations", m{"model": "gpt-image-1", "prompt": "a cat", "n": 1, "size": "auto", "steps": 5}, key)
		d := a["data"].([]any)[0].(m)
		picture(t, d["b64_json"])
		if d["url"] != nil {
			t.Error("an address, which it would not fetch")
		}
		file := pngOf(t, 64, 64)
		parts := []part{{"model", "", "", "gpt-image-1"}, {"prompt", "", "", "a dog"}, {"n", "", "", "1"}, {"size", "", "", "64x64"}, {"background", "", "", "auto"}}
		a = r.form(200, "/v1/images/edits?api-version=1", key, append(parts, part{"image", "a.png", "image/png", file})...)
		picture(t, a["data"].([]any)[0].(m)["b64_json"])
		r.form(200, "/v1/images/edits", key, append(parts, part{"image[]", "a.png", "image/png", file})...)
	})
}

func pngOf(t *testing.T, w, h int) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (r *running) list(path string, h header) []any {
	r.t.Helper()
	resp, data := r.do("GET", path, nil, h)
	var list []any
	if err := json.Unmarshal(data, &list); err != nil || resp.StatusCode != 200 || list == nil {
		r.t.Fatalf("%s: %d %s", path, resp.StatusCode, data)
	}
	return list
}

// TestSillyTavern makes the calls of SillyTavern 1.19.0 (endpoints/stable-diffusion.js and
// its extension), as its Node server sends them.
func TestSillyTavern(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	auth := header{"Authorization": "Basic " + base64.StdEncoding.EncodeToString(nil)}
	names := func(path, field string) (names []string) {
		for _, e := range r.list(path, auth) {
			names = append(names, e.(m)[field].(string))
		}
		return names
	}
	r.expect(200, "GET", "/sdapi/v1/options", nil, auth) // ping
	for path, want := range map[string]string{
		"samplers": "DDIM", "schedulers": "karras", "upscalers": "None", "latent-upscale-modes": "Latent",
	} {
		if list := names("/sdapi/v1/"+path, "name"); !slices.Contains(list, want) {
			t.Errorf("%s: %v", path, list)
		}
	}
	if list := names("/sdapi/v1/upscalers", "name"); list[0] != "None" {
		t.Errorf("it puts the latent ones behind the first: %v", list)
	}
	r.list("/sdapi/v1/sd-vae", auth)
	r.list("/sdapi/v1/sd-modules", auth)
	title := names("/sdapi/v1/sd-models", "title")[1]
	r.expect(200, "POST", "/sdapi/v1/options", m{"sd_model_checkpoint": title}, auth) // set-model
	p := r.expect(200, "GET", "/sdapi/v1/progress", nil, auth)
	if p["progress"] != 0. || p["state"].(m)["job_count"] != 0. {
		t.Errorf("it would wait for a model that is loaded: %v", p)
	}
	if now := r.expect(200, "GET", "/sdapi/v1/options", nil, auth); now["sd_model_checkpoint"] != title {
		t.Errorf("get-model: %v", now["sd_model_checkpoint"])
	}
	r.expect(200, "POST", "/sdapi/v1/options", m{"sd_model_checkpoint": names("/sdapi/v1/sd-models", "title")[0]}, auth)
	body := m{ // it forwards what its page sent, with its own url and auth
		"url": r.url, "auth": "", "prompt": "best quality, a cat", "negative_prompt": "lowres", "sampler_name": "DDIM", "scheduler": "normal",
		"steps": 20, "cfg_scale": 7, "width": 512, "height": 512, "restore_faces": false, "enable_hr": false, "hr_upscaler": "Latent", "hr_scale": 2,
		"hr_additional_modules": []any{}, "denoising_strength": 0.7, "hr_second_pass_steps": 0,
		"override_settings": m{"CLIP_stop_at_last_layers": 1}, "override_settings_restore_afterwards": true, "clip_skip": 1,
		"save_images": true, "send_images": true, "do_not_save_grid": false, "do_not_save_samples": false,
	}
	a := r.expect(200, "POST", "/sdapi/v1/txt2img", body, auth)
	if images := a["images"].([]any); len(images) != 1 || picture(t, images[0]).Bounds().Dx() != 512 {
		t.Errorf("%d pictures", len(images))
	}
	r.expect(200, "POST", "/sdapi/v1/interrupt", nil, auth) // when its page is closed
	body["alwayson_scripts"] = m{"ADetailer": m{"args": []any{true, true, m{"ad_model": "face_yolov8n.pt"}}}}
	r.expect(422, "POST", "/sdapi/v1/txt2img", body, auth)

	// its source stable-diffusion.cpp
	if resp, _ := r.do(http.MethodOptions, "/v1/images/generations", nil, nil); resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Allow"), "POST") {
		t.Errorf("ping: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
	if models := r.expect(200, "GET", "/v1/models", nil, nil)["data"].([]any); models[0].(m)["id"] != "fake" {
		t.Errorf("models %v", models)
	}
	for _, sampler := range []string{"euler", "euler_a", "heun", "dpm2", "dpm++2s_a", "dpm++2m", "ipndm", "ipndm_v", "lcm", "ddim_trailing", "tcd"} {
		for _, scheduler := range []string{"discrete", "karras", "exponential", "sgm_uniform", "simple", ""} {
			r.expect(200, "POST", "/sdapi/v1/txt2img", m{"prompt": "a cat", "negative_prompt": "", "width": 64, "height": 64, "steps": 1, "cfg_scale": 7, "seed": -1,
				"batch_size": 1, "sampler_name": sampler, "scheduler": scheduler, "clip_skip": -1, "lora": []any{}}, nil)
			if testing.Short() {
				break
			}
		}
	}
}

// TestPromptLoRAs: those that the server has go to the job, others are refused by all
// interfaces; lists and rescans are A1111's.
func TestPromptLoRAs(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	models := servetest.New(0)
	models.Extra = catalog.Adapters{
		LoRAs: []catalog.LoRA{{Name: "style", Alias: "trained", File: "sub/style.safetensors", Metadata: map[string]string{"ss_output_name": "trained"}}},
		Words: []catalog.Word{{Name: "fruit", Width: 768, Vectors: 2}, {Name: "wide", Width: 1024, Vectors: 1}},
	}
	models.Models[0].CLIP, models.Models[0].Texts = true, 768
	cfg.Models = models
	r := start(t, cfg)
	wait := header{"Prefer": "wait=20"}
	j := r.expect(200, "POST", "/v1/jobs", m{"prompt": "a cat <lora:trained:0.8> <lora:style:te=0.5:unet=-1>", "steps": 1}, wait)
	if got, want := fmt.Sprint(j["request"].(m)["loras"]), fmt.Sprint([]m{{"name": "style", "text": .8, "unet": .8}, {"name": "style", "text": .5, "unet": -1.}}); got != want {
		t.Errorf("LoRAs %v, want %v", got, want)
	}
	for body, say := range map[string]string{
		`{"prompt":"<lora:nothing:1>"}`: `no LoRA "nothing": this server has style`, `{"prompt":"<lora:style:x>"}`: "strength",
		`{"prompt":"<lora:/etc/passwd:1>"}`: "no LoRA", `{"negative_prompt":"<lora:style:1>"}`: "negative prompt",
	} {
		e := r.expect(422, "POST", "/v1/jobs", body, nil)["error"].(m)
		if !strings.Contains(e["message"].(string), say) {
			t.Errorf("%s: %v, want %s", body, e, say)
		}
		if a := r.expect(422, "POST", "/sdapi/v1/txt2img", body, nil); !strings.Contains(a["detail"].(string), say) {
			t.Errorf("%s: %v", body, a)
		}
	}
	r.expect(400, "POST", "/v1/images/generations", m{"prompt": "<lora:nothing>"}, nil)
	r.expect(200, "POST", "/v1/images/generations", m{"prompt": "<lora:style>", "steps": 1}, nil)
	if l := r.list("/sdapi/v1/loras", nil)[0].(m); l["name"] != "style" || l["alias"] != "trained" || l["path"] != "sub/style.safetensors" || l["metadata"].(m)["ss_output_name"] != "trained" {
		t.Errorf("LoRA %v", l)
	}
	e := r.expect(200, "GET", "/sdapi/v1/embeddings", nil, nil)
	if e["loaded"].(m)["fruit"].(m)["vectors"] != 2. || e["skipped"].(m)["wide"].(m)["shape"] != 1024. {
		t.Errorf("embeddings %v", e)
	}
	for i, name := range []string{"refresh-checkpoints", "refresh-loras", "refresh-embeddings", "refresh-vae"} {
		if _, data := r.do("POST", "/sdapi/v1/"+name, nil, nil); string(data) != "null\n" || models.Scans.Load() != int64(i+1) {
			t.Errorf("%s: %s, %d scans", name, data, models.Scans.Load())
		}
	}
	r.expect(200, "POST", "/sdapi/v1/options", `{"sd_model_checkpoint":"classes"}`, nil)
	if models.Loads.Load() != 1 {
		t.Error("a model that was chosen is not loaded before the answer")
	}
}
