package serve_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/servetest"
)

// TestAddresses: slashes too many, which an address with one at its end makes, lose no
// body by a redirection.
func TestAddresses(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, path := range []string{"//sdapi/v1/txt2img", "/sdapi//v1/txt2img/", "/sdapi/v1/txt2img?api-version=1"} {
		if a := r.expect(200, "POST", path, m{"prompt": "a cat", "steps": 1}, nil); len(a["images"].([]any)) != 1 {
			t.Errorf("%s: %v", path, a)
		}
	}
	r.expect(200, "POST", "//v1/images/generations/", m{"prompt": "a cat", "steps": 1}, nil)
	r.expect(200, "GET", "/v1//models", nil, nil)
}

// TestForms: a multipart form is what a foreign page can send unasked; only the interfaces
// that are made of them take it.
func TestForms(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	const kind = "multipart/form-data; boundary=x"
	for _, path := range []string{"/v1/jobs", "/v1/images/generations", "/sdapi/v1/txt2img", "/sdapi/v1/options", "/sdapi/v1/interrupt"} {
		if resp, data := r.do("POST", path, `{"prompt":"x"}`, header{"Content-Type": kind}); resp.StatusCode != 415 {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, data)
		}
	}
	r.expect(415, "POST", "/v1/images/edits", "image=x", header{"Content-Type": "application/x-www-form-urlencoded"})
	r.expect(400, "POST", "/v1/images/edits", "{}", nil)
}

// TestValues that clients send at the edges of what is legal.
func TestValues(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, c := range []struct {
		status     int
		path, body string
	}{
		{200, "/sdapi/v1/txt2img", `{"seed":9007199254740991,"steps":1}`}, {422, "/sdapi/v1/txt2img", `{"seed":9007199254740991,"steps":1,"batch_size":2}`},
		{422, "/sdapi/v1/txt2img", `{"seed":9007199254740992}`}, {200, "/sdapi/v1/txt2img", `{"seed":-7,"subseed":5,"steps":1}`},
		{200, "/sdapi/v1/txt2img", `{"override_settings":[],"alwayson_scripts":[],"styles":null,"steps":"1"}`}, // as PHP writes empty objects
		{200, "/sdapi/v1/txt2img", `{"prompt":["a cat"],"steps":1}`}, {422, "/sdapi/v1/txt2img", `{"prompt":["a cat","a dog"]}`},
		{200, "/sdapi/v1/txt2img", `{"prompt":"a <lora:nothing:1> cat","disable_extra_networks":true,"steps":1}`},
		{422, "/sdapi/v1/txt2img", `{"mask_round":false}`}, {422, "/sdapi/v1/txt2img", `{"lora":[{"path":"x","multiplier":1}]}`},
		{200, "/sdapi/v1/txt2img", `{"override_settings":{"sd_vae":"automatic","samples_format":"JPG"},"steps":1,"refiner_switch_at":0.8}`},
		{422, "/sdapi/v1/txt2img", `{"override_settings":{"sd_vae":"other.pt"}}`}, {422, "/sdapi/v1/txt2img", `{"override_settings":{"eta_noise_seed_delta":31337}}`},
		{422, "/sdapi/v1/txt2img", `{"refiner_checkpoint":"x"}`}, {422, "/sdapi/v1/txt2img", `{"seed_resize_from_w":64}`}, {422, "/sdapi/v1/txt2img", `{"cfg_scale":101}`},
		{200, "/v1/images/generations", `{"prompt":"a","size":"auto","quality":"hd","style":"vivid","moderation":"low","user":"me","steps":1.0}`},
		{400, "/v1/images/generations", `{"prompt":"a","size":"65x64"}`}, {400, "/v1/images/generations", `{"prompt":"a","size":"large"}`},
		{400, "/v1/images/generations", `{"prompt":"a","output_format":"gif"}`}, {400, "/v1/images/generations", `{"prompt":"a","background":"transparent"}`},
		{400, "/v1/images/generations", `{"prompt":"a","partial_images":4,"stream":true}`}, {400, "/v1/images/generations", `{"prompt":"a","n":11}`},
		{400, "/v1/images/generations", `{"prompt":"a","quality":"best"}`}, {400, "/v1/images/generations", `{}`}, {400, "/v1/images/generations", `[]`},
		{400, "/v1/images/generations", `{"prompt":"a","output_compression":101}`}, {400, "/v1/images/generations", `{"prompt":"a","frame_count":2}`},
	} {
		if resp, data := r.do("POST", c.path, c.body, nil); resp.StatusCode != c.status {
			t.Errorf("%s %s: status %d, want %d: %s", c.path, c.body, resp.StatusCode, c.status, data)
		}
	}
}

// TestQueuedEvent: who follows a job hears at once that it waits, and where.
func TestQueuedEvent(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.MaxBatch, cfg.Models = 1, servetest.New(10*time.Millisecond)
	r := start(t, cfg)
	first := r.expect(202, "POST", "/v1/jobs", `{"prompt":"a","steps":100}`, nil)["id"].(string)
	r.until(first, "running")
	second := r.expect(202, "POST", "/v1/jobs", `{"prompt":"b","steps":1}`, nil)["id"].(string)
	go func() {
		time.Sleep(100 * time.Millisecond)
		r.do("DELETE", "/v1/jobs/"+first, nil, nil)
	}()
	_, data := r.do("GET", "/v1/jobs/"+second+"/events", nil, nil)
	text := string(data)
	queued := strings.Index(text, "event: status\ndata: {\"id\":\""+second+"\",\"queue_position\":1,\"status\":\"queued\"}")
	if queued < 0 || strings.Index(text, `"status":"running"`) < queued || !strings.HasPrefix(text, "id: 1\n") {
		t.Errorf("events\n%s", text)
	}
}

// TestCancelledIsNotRetried: a client's package is told not to send a request again that
// somebody cancelled.
func TestCancelledIsNotRetried(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Models = servetest.New(10 * time.Millisecond)
	r := start(t, cfg)
	go func() {
		for range 500 {
			if list := r.expect(200, "GET", "/v1/jobs?status=running", nil, nil)["data"].([]any); len(list) > 0 {
				r.do("DELETE", "/v1/jobs/"+list[0].(m)["id"].(string), nil, nil)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	resp, data := r.do("POST", "/v1/images/generations", `{"prompt":"a","steps":250}`, nil)
	if resp.StatusCode != 500 || resp.Header.Get("X-Should-Retry") != "false" || !strings.Contains(string(data), "cancelled") {
		t.Errorf("status %d, headers %v: %s", resp.StatusCode, resp.Header, data)
	}
}

// TestMetrics: what is measured is there, with bounded labels.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	r.expect(200, "POST", "/sdapi/v1/txt2img", m{"batch_size": 3, "steps": 2}, nil)
	r.do("GET", "/v1/jobs/job_nothing", nil, nil)
	_, data := r.do("GET", "/metrics", nil, nil)
	for _, want := range []string{
		`ldm_jobs_total{status="succeeded"} 1`, "ldm_jobs_running 0", "ldm_queue_depth 0", "ldm_queue_wait_seconds_count 1", "ldm_job_seconds_count{",
		"ldm_step_seconds_count{", "ldm_batch_rows_sum 3", "ldm_images_total 3", `ldm_rejected_total{reason="not_found"} 1`, `route="/v1/jobs/{id}"`, "ldm_http_request_seconds_count{",
		"ldm_model_bytes", "go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(string(data), want) && !(strings.HasPrefix(want, "process_") && runtime.GOOS == "darwin") {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestNotify tells systemd that the server is ready, and that it stops.
func TestNotify(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux's")
	}
	dir, err := os.MkdirTemp("", "n") // short: names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	r := start(t, config(t))
	heard := func() string {
		b := make([]byte, 100)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := heard(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	r.stop()
	if got := heard(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}

// TestPartialPictures: each picture of a stream has as many partial ones as were asked for,
// however fast they come, in the format of the whole.
func TestPartialPictures(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Models = servetest.New(0)
	r := start(t, cfg)
	_, data := r.do("POST", "/v1/images/generations", `{"prompt":"a","n":3,"stream":true,"partial_images":3,"steps":12,"output_format":"jpeg"}`, nil)
	text := string(data)
	partial, completed := strings.Count(text, "event: image_generation.partial_image\n"), strings.Count(text, "event: image_generation.completed\n")
	if partial != 9 || completed != 3 || strings.Count(text, `"b64_json":"/9j/`) != 12 {
		t.Errorf("%d partial pictures and %d whole ones, %d of them JPEG; want 9 and 3", partial, completed, strings.Count(text, `"b64_json":"/9j/`))
	}
}
