package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/servetest"
)

// running is a server on loopback.
type running struct {
	t     *testing.T
	url   string
	stop  context.CancelFunc
	ended chan error
}

func config(t *testing.T) serve.Config {
	cfg := serve.DefaultConfig()
	cfg.Listen, cfg.Data, cfg.Models = "127.0.0.1:0", t.TempDir(), servetest.New(time.Millisecond)
	cfg.Log, cfg.Version = slog.New(slog.DiscardHandler), "ldm test"
	return cfg
}

func start(t *testing.T, cfg serve.Config) *running {
	t.Helper()
	s, err := serve.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, stop: stop, ended: make(chan error, 1)}
	addr := make(chan net.Addr, 1)
	go func() {
		err := s.Run(ctx, func(a net.Addr) { addr <- a })
		s.Close()
		r.ended <- err
		close(r.ended)
	}()
	select {
	case a := <-addr:
		if a != nil {
			r.url = "http://" + a.String()
		}
	case err := <-r.ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		<-r.ended
	})
	return r
}

type header map[string]string

// do sends a request and returns the answer.
func (r *running) do(method, path string, body any, h header) (*http.Response, []byte) {
	r.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, r.url+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, v := range h {
		if name == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(name, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, data
}

// expect wants a status and returns the answer's object.
func (r *running) expect(status int, method, path string, body any, h header) map[string]any {
	r.t.Helper()
	resp, data := r.do(method, path, body, h)
	if resp.StatusCode != status {
		r.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, data)
	}
	var v map[string]any
	if json.Unmarshal(data, &v) != nil {
		return nil
	}
	return v
}

type m = map[string]any

// TestJob: a job is accepted, followed, fetched and removed.
func TestJob(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	j := r.expect(202, "POST", "/v1/jobs", m{"prompt": "a cat", "n": 2, "seed": 258, "preview_every": 7, "width": nil}, nil)
	id := j["id"].(string)
	req, _ := http.NewRequest("GET", r.url+"/v1/jobs/"+id+"/events", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := map[string]int{}
	last := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events[name]++
		}
		if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			n := 0
			fmt.Sscan(text, &n)
			if n <= last {
				t.Errorf("event %d after %d", n, last)
			}
			last = n
		}
	}
	if events["image"] != 2 || events["done"] != 1 || events["progress"] < 2 || events["status"] < 1 {
		t.Errorf("events %v", events)
	}
	j = r.expect(200, "GET", "/v1/jobs/"+id, nil, nil)
	images := j["images"].([]any)
	if j["status"] != "succeeded" || len(images) != 2 || images[1].(m)["seed"] != 259. {
		t.Errorf("job %v", j)
	}
	resp, data := r.do("GET", images[0].(m)["url"].(string), nil, nil)
	if resp.Header.Get("Content-Type") != "image/png" || !bytes.HasPrefix(data, []byte("\x89PNG")) {
		t.Errorf("picture: %v, %d bytes", resp.Header, len(data))
	}
	if resp, _ := r.do("GET", images[0].(m)["url"].(string), nil, header{"If-None-Match": resp.Header.Get("ETag")}); resp.StatusCode != 304 {
		t.Errorf("the same picture again: status %d", resp.StatusCode)
	}
	if list := r.expect(200, "GET", "/v1/jobs?status=succeeded&limit=5", nil, nil); len(list["data"].([]any)) != 1 {
		t.Errorf("list %v", list)
	}
	r.expect(204, "DELETE", "/v1/jobs/"+id, nil, nil)
	r.expect(404, "GET", "/v1/jobs/"+id, nil, nil)
	r.expect(404, "GET", images[0].(m)["url"].(string), nil, nil)
}

// TestJobRefusals: strict, and by name.
func TestJobRefusals(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, c := range []struct {
		body, param string
		status      int
	}{
		{`{"promt":"x"}`, "promt", 422}, {`{"prompt":1}`, "prompt", 422}, {`{"steps":"20"}`, "steps", 422}, {`{"steps":20.0}`, "steps", 422},
		{`{"width":65}`, "width", 422}, {`{"model":"x"}`, "model", 404}, {`{"sampler":"x"}`, "sampler", 422},
		{`{"init_image":"http://127.0.0.1/x"}`, "init_image", 422}, {`{"model":"classes"}`, "class", 422},
		{`{"model":"classes","class":"horse"}`, "class", 422}, {`{"type":"upscale"}`, "type", 422},
	} {
		e := r.expect(c.status, "POST", "/v1/jobs", c.body, nil)["error"].(m)
		if e["param"] != c.param || e["message"] == "" {
			t.Errorf("%s: %v", c.body, e)
		}
	}
	r.expect(400, "POST", "/v1/jobs", `{`, nil)
	r.expect(404, "GET", "/v1/jobs/job_nothing", nil, nil)
	r.expect(405, "PUT", "/v1/jobs", nil, nil)
	r.expect(404, "GET", "/v1/nothing", nil, nil)
	j := r.expect(200, "POST", "/v1/jobs", `{"model":"classes","class":"dog"}`, header{"Prefer": "wait=20"})
	if j["status"] != "succeeded" || j["request"].(m)["class"] != 1. {
		t.Errorf("%v", j)
	}
}

// TestIdempotency: the same request once more is the same job.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	h := header{"Idempotency-Key": "once"}
	a := r.expect(202, "POST", "/v1/jobs", `{"prompt":"a"}`, h)
	if b := r.expect(202, "POST", "/v1/jobs", `{"prompt":"a"}`, h); a["id"] != b["id"] {
		t.Errorf("jobs %v and %v", a["id"], b["id"])
	}
	r.expect(409, "POST", "/v1/jobs", `{"prompt":"b"}`, h)
}

// TestFullQueue: 429 with a time to come back, and the waiting are cancelled by DELETE.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Queue, cfg.MaxBatch, cfg.Models = 1, 1, servetest.New(20*time.Millisecond)
	r := start(t, cfg)
	first := r.expect(202, "POST", "/v1/jobs", `{"prompt":"a","steps":250}`, nil)["id"].(string)
	r.until(first, "running")
	second := r.expect(202, "POST", "/v1/jobs", `{"prompt":"b"}`, nil)
	if second["queue_position"] != 1. {
		t.Errorf("position %v", second["queue_position"])
	}
	resp, _ := r.do("POST", "/v1/jobs", `{"prompt":"c"}`, nil)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	if j := r.expect(200, "DELETE", "/v1/jobs/"+first, nil, nil); j["status"] != "cancelled" {
		t.Errorf("%v", j)
	}
	r.until(second["id"].(string), "succeeded")
}

func (r *running) until(id, status string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		j := r.expect(200, "GET", "/v1/jobs/"+id, nil, nil)
		if j["status"] == status {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("the job is %v, want %s", j["status"], status)
		}
	}
}

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// gone sends a request and goes when ctx ends.
func (r *running) gone(ctx context.Context, path, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		r.t.Fatal("there was an answer before the client went")
	}
}

// TestPromptsInTheLog: only where that was asked for.
func TestPromptsInTheLog(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		var log safeBuffer
		cfg := config(t)
		cfg.Log, cfg.LogPrompts = slog.New(slog.NewTextHandler(&log, nil)), asked
		r := start(t, cfg)
		r.expect(202, "POST", "/v1/jobs", `{"prompt":"a secret wish"}`, nil)
		if strings.Contains(log.String(), "a secret wish") != asked {
			t.Errorf("asked %v: %s", asked, log.String())
		}
	}
}

// safeBuffer is a buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
