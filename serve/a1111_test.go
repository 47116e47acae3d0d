package serve_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/servetest"
)

// TestA1111 sends what its clients send: nulls, numbers as texts, fields that
// nobody knows.
func TestA1111(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	body := m{
		"prompt": "a cat", "negative_prompt": nil, "seed": 7.0, "steps": "5", "width": 64.0, "height": "64", "cfg_scale": "4.5", "batch_size": 2, "n_iter": 2,
		"sampler_name": "Euler a", "scheduler": "Automatic", "eta": 1.0, "s_noise": 1, "s_tmax": 0, "s_churn": nil, "enable_hr": false, "hr_upscaler": "Latent",
		"restore_faces": false, "tiling": false, "styles": []string{"nothing"}, "alwayson_scripts": m{}, "override_settings": m{"whatever": 1}, "subseed": -1,
		"subseed_strength": 0, "seed_resize_from_h": -1, "save_images": true, "url": "http://x", "auth": "y", "refiner_checkpoint": nil,
	}
	a := r.expect(200, "POST", "/sdapi/v1/txt2img", body, nil)
	images := a["images"].([]any)
	if len(images) != 4 || !strings.HasPrefix(images[0].(string), "iVBOR") {
		t.Fatalf("%d pictures", len(images))
	}
	var info m
	if err := json.Unmarshal([]byte(a["info"].(string)), &info); err != nil {
		t.Fatal(err)
	}
	if seeds := info["all_seeds"].([]any); len(seeds) != 4 || seeds[3] != 10. || info["seed"] != 7. || info["batch_size"] != 2. || info["denoising_strength"] != nil {
		t.Errorf("info %v", info)
	}
	if text := info["infotexts"].([]any)[0].(string); !strings.Contains(text, "Seed: 7") {
		t.Errorf("infotext %q", text)
	}
	if a["parameters"].(m)["steps"] != "5" {
		t.Error("the request is not sent back")
	}
	if a := r.expect(200, "POST", "/sdapi/v1/txt2img", m{"send_images": false, "steps": 2}, nil); len(a["images"].([]any)) != 0 {
		t.Error("pictures that were not wanted")
	}
	again := r.expect(200, "POST", "/sdapi/v1/img2img", m{"init_images": []any{images[0]}, "steps": 3, "include_init_images": false, "mask_blur": 0}, nil)
	if again["parameters"].(m)["init_images"] != nil {
		t.Error("the start is sent back unasked")
	}
}

func TestA1111Refusals(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"txt2img", `{"enable_hr":true}`, "enable_hr", 422}, {"txt2img", `{"tiling":true}`, "tiling", 422},
		{"txt2img", `{"restore_faces":true}`, "restore_faces", 422}, {"txt2img", `{"subseed_strength":0.5}`, "subseed_strength", 422},
		{"txt2img", `{"alwayson_scripts":{"ControlNet":{}}}`, "always on script ControlNet not found", 422},
		{"txt2img", `{"script_name":"X/Y/Z plot"}`, "script", 422}, {"txt2img", `{"sampler_name":"Nothing"}`, "Nothing", 404},
		{"txt2img", `{"width":65}`, "64 and 96", 422}, {"txt2img", `{"batch_size":5,"n_iter":4}`, "batch_size", 422},
		{"txt2img", `{"override_settings":{"sd_model_checkpoint":"x"}}`, "no such model", 404},
		{"img2img", `{}`, "Init image not found", 404}, {"img2img", `{"init_images":["http://127.0.0.1/a.png"]}`, "not fetched", 422},
		{"txt2img", `{"seed":"x"}`, "seed", 422}, {"txt2img", `nothing`, "JSON", 422},
	} {
		e := r.expect(c.status, "POST", "/sdapi/v1/"+c.path, c.body, nil)
		if !strings.Contains(e["detail"].(string), c.want) || e["error"] == "" {
			t.Errorf("%s: %v, want %q", c.body, e, c.want)
		}
	}
	r.expect(404, "POST", "/sdapi/v1/options", `{"sd_model_checkpoint":"nothing"}`, nil)
	if resp, data := r.do("POST", "/sdapi/v1/options", `{"sd_model_checkpoint":"fake.safetensors [0123456789]","anything":1}`, nil); resp.StatusCode != 200 || string(data) != "null\n" {
		t.Errorf("options: %d %q", resp.StatusCode, data)
	}
}

// TestProgress: exactly idle when idle; a job in work has a step and a picture.
// Interrupt ends it with the picture as far as it is, skip goes on with the next.
func TestProgress(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Models = servetest.New(5 * time.Millisecond)
	r := start(t, cfg)
	const idle = `{"progress":0,"eta_relative":0,"state":{"skipped":false,"interrupted":false,"stopping_generation":false,"job":"","job_count":0,"job_timestamp":"0","job_no":0,"sampling_step":0,"sampling_steps":0},"current_image":null,"textinfo":null}`
	if _, data := r.do("GET", "/sdapi/v1/progress", nil, nil); strings.TrimSpace(string(data)) != idle {
		t.Errorf("idle is %s", data)
	}
	done := make(chan m)
	run := func(n int) {
		go func() {
			done <- r.expect(200, "POST", "/sdapi/v1/txt2img", m{"prompt": "a", "steps": 100, "n_iter": n}, nil)
		}()
	}
	run(3)
	p := r.busy()
	if s := p["state"].(m); s["job_count"] != 3. || s["sampling_steps"] != 100. || p["progress"].(float64) <= 0 || p["progress"].(float64) >= 1 {
		t.Errorf("progress %v", p)
	}
	if text, _ := p["current_image"].(string); text == "" {
		t.Error("no picture of a job in work")
	} else if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		t.Error(err)
	}
	if p := r.expect(200, "GET", "/sdapi/v1/progress?skip_current_image=true", nil, nil); p["current_image"] != nil {
		t.Error("a picture that was not wanted")
	}
	if resp, data := r.do("POST", "/sdapi/v1/interrupt", nil, nil); resp.StatusCode != 200 || strings.TrimSpace(string(data)) != "{}" {
		t.Errorf("interrupt: %s", data)
	}
	if a := <-done; len(a["images"].([]any)) != 1 {
		t.Errorf("%d pictures of an interrupted request, want the one in work", len(a["images"].([]any)))
	}
	run(2)
	r.busy()
	r.do("POST", "/sdapi/v1/skip", nil, nil)
	if a := <-done; len(a["images"].([]any)) != 2 {
		t.Errorf("%d pictures after a skip, want 2", len(a["images"].([]any)))
	}
	if _, data := r.do("GET", "/sdapi/v1/progress", nil, nil); strings.TrimSpace(string(data)) != idle {
		t.Errorf("idle again is %s", data)
	}
}

// busy waits until a job is a few steps in work.
func (r *running) busy() m {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p := r.expect(200, "GET", "/sdapi/v1/progress", nil, nil)
		if p["state"].(m)["sampling_step"].(float64) > 5 && p["current_image"] != nil {
			return p
		}
		if time.Now().After(end) {
			r.t.Fatal("no job comes to work")
		}
	}
}

// TestGoneClient: a request whose client goes is cancelled within a few steps.
func TestGoneClient(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	models := servetest.New(5 * time.Millisecond)
	cfg.Models = models
	r := start(t, cfg)
	ctx, stop := timeout(100 * time.Millisecond)
	defer stop()
	r.gone(ctx, "/sdapi/v1/txt2img", `{"steps":200}`)
	list := r.expect(200, "GET", "/v1/jobs", nil, nil)["data"].([]any)
	id := list[0].(m)["id"].(string)
	r.until(id, "cancelled")
	time.Sleep(30 * time.Millisecond)
	before := models.Steps.Load()
	time.Sleep(50 * time.Millisecond)
	if after := models.Steps.Load(); after != before || after > 100 {
		t.Errorf("%d steps were done, then %d more", before, after-before)
	}
}

// TestLists: all that clients read at connection.
func TestLists(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, name := range []string{
		"sd-models", "samplers", "schedulers", "upscalers", "latent-upscale-modes", "sd-vae", "sd-modules", "loras", "hypernetworks", "face-restorers",
		"realesrgan-models", "prompt-styles", "extensions", "script-info",
	} {
		_, data := r.do("GET", "/sdapi/v1/"+name, nil, nil)
		var list []any
		if err := json.Unmarshal(data, &list); err != nil || list == nil {
			t.Errorf("%s: %s", name, data)
		}
	}
	for _, path := range []string{"/sdapi/v1/scripts", "/sdapi/v1/embeddings", "/sdapi/v1/cmd-flags", "/sdapi/v1/memory", "/sdapi/v1/options", "/queue/status", "/internal/ping"} {
		r.expect(200, "GET", path, nil, nil)
	}
	o := r.expect(200, "GET", "/sdapi/v1/options", nil, nil)
	if o["samples_format"] != "png" || o["forge_preset"] != nil || !strings.HasPrefix(o["sd_model_checkpoint"].(string), "fake.safetensors [") {
		t.Errorf("options %v", o)
	}
}
