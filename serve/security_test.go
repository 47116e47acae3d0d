package serve_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/serve"
)

// TestForeignPages: a page of another site that drives a victim's browser
// against a local server gets nothing.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	own := strings.TrimPrefix(r.url, "http://")
	for _, c := range []struct {
		name   string
		h      header
		status int
	}{
		{"no page", nil, 202},
		{"the server's own page", header{"Origin": r.url}, 202},
		{"another site", header{"Origin": "https://evil.example"}, 403},
		{"a file", header{"Origin": "null"}, 403},
		{"another port", header{"Origin": "http://127.0.0.1:1"}, 403},
		{"a name that an attacker lets point here", header{"Host": "evil.example"}, 403},
		{"such a name, and its origin", header{"Host": "evil.example", "Origin": "http://evil.example"}, 403},
		{"localhost", header{"Host": "localhost:" + own[strings.LastIndex(own, ":")+1:]}, 202},
		{"plain text, which needs no preflight", header{"Content-Type": "text/plain"}, 415},
		{"a form", header{"Content-Type": "application/x-www-form-urlencoded"}, 415},
	} {
		resp, data := r.do("POST", "/v1/jobs", `{"prompt":"x"}`, c.h)
		if resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, resp.StatusCode, c.status, data)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: CORS headers", c.name)
		}
	}
	for _, path := range []string{"/sdapi/v1/options", "/v1/models", "/v1/jobs", "/metrics"} {
		if resp, _ := r.do("GET", path, nil, header{"Origin": "https://evil.example"}); resp.StatusCode != 403 {
			t.Errorf("%s for another site: status %d", path, resp.StatusCode)
		}
	}
	if resp, _ := r.do("OPTIONS", "/v1/jobs", nil, header{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}); resp.StatusCode != 403 {
		t.Errorf("preflight of another site: status %d", resp.StatusCode)
	}
}

// TestAllowedOrigin gets the headers that a browser wants.
func TestAllowedOrigin(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Origins = []string{"https://good.example"}
	r := start(t, cfg)
	h := header{"Origin": "https://good.example", "Access-Control-Request-Method": "POST"}
	resp, _ := r.do("OPTIONS", "/sdapi/v1/txt2img", nil, h)
	if resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "https://good.example" || !strings.Contains(resp.Header.Get("Allow"), "POST") {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
}

// TestKeys: every form in which clients send one, and none in a URL.
func TestKeys(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Keys = map[string]string{"alice": "sesame", "bob": "other"}
	r := start(t, cfg)
	job := r.expect(202, "POST", "/v1/jobs", `{"prompt":"x"}`, header{"Authorization": "Bearer sesame"})
	path := "/v1/jobs/" + job["id"].(string)
	for _, c := range []struct {
		path   string
		h      header
		status int
	}{
		{path, header{"X-API-Key": "sesame"}, 200},
		{path, header{"Authorization": "Basic YW55OnNlc2FtZQ=="}, 200}, // any:sesame
		{path, header{"Authorization": "bearer sesame"}, 200},
		{path, header{"Authorization": "Bearer other"}, 404}, // another's job
		{path, header{"Authorization": "Bearer wrong"}, 401},
		{path, header{"Authorization": "Bearer "}, 401},
		{path, nil, 401},
		{path + "?key=sesame&api_key=sesame", nil, 401},
		{"/sdapi/v1/options", nil, 401},
		{"/metrics", nil, 401},
		{"/healthz", nil, 200},
		{"/readyz", nil, 200},
		{"/internal/ping", nil, 200},
	} {
		resp, data := r.do("GET", c.path, nil, c.h)
		if resp.StatusCode != c.status {
			t.Errorf("%s %v: status %d, want %d: %s", c.path, c.h, resp.StatusCode, c.status, data)
		}
		if c.path == "/sdapi/v1/options" && resp.Header.Get("WWW-Authenticate") != "Basic" {
			t.Error("A1111's clients are not asked for a password")
		}
	}
}

// TestOpenToTheWorld: beyond loopback only with keys, or when it is said.
func TestOpenToTheWorld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen string
		change func(*serve.Config)
		ok     bool
	}{
		{"0.0.0.0:0", func(*serve.Config) {}, false},
		{":0", func(*serve.Config) {}, false},
		{"[::]:0", func(*serve.Config) {}, false},
		{"[::1]:0", func(*serve.Config) {}, true},
		{"localhost:0", func(*serve.Config) {}, true},
		{"0.0.0.0:0", func(c *serve.Config) { c.Keys = map[string]string{"a": "b"} }, true},
		{"0.0.0.0:0", func(c *serve.Config) { c.Insecure = true }, true},
		{"0.0.0.0:0", func(c *serve.Config) { c.Keys = map[string]string{"a": ""} }, false},
		{"nonsense", func(*serve.Config) {}, false},
		{"localhost:0", func(c *serve.Config) { c.Role = serve.API }, false},
		{"localhost:0", func(c *serve.Config) { c.Role = "boss" }, false},
	} {
		cfg := config(t)
		cfg.Listen = c.listen
		c.change(&cfg)
		s, err := serve.New(t.Context(), cfg) // nothing listens yet
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.listen, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

// TestSizes: what is too large is refused before it is read or decoded.
func TestSizes(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.MaxBody = 1000
	r := start(t, cfg)
	if resp, _ := r.do("POST", "/v1/jobs", `{"prompt":"`+strings.Repeat("x", 2000)+`"}`, nil); resp.StatusCode != 413 {
		t.Errorf("a large body: status %d", resp.StatusCode)
	}
	req, _ := http.NewRequest("POST", r.url+"/v1/jobs", struct{ *strings.Reader }{strings.NewReader(`{"prompt":"` + strings.Repeat("x", 2000) + `"}`)}) // chunked
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 413 {
		t.Errorf("a large body without a length: %v, %v", resp, err)
	}
	bomb := "iVBORw0KGgoAAAANSUhEUgAAw1AAAMNQCAYAAAA=" // a PNG of 50000x50000 pixels, by its head
	for _, c := range []struct{ path, body string }{
		{"/v1/jobs", `{"init_image":"` + bomb + `"}`},
		{"/sdapi/v1/img2img", `{"init_images":["` + bomb + `"]}`},
		{"/sdapi/v1/extra-single-image", `{"image":"` + bomb + `"}`},
	} {
		resp, data := r.do("POST", c.path, c.body, nil)
		if resp.StatusCode != 422 && resp.StatusCode != 400 || !bytes.Contains(data, []byte("pixels")) && !bytes.Contains(data, []byte("picture")) {
			t.Errorf("%s: status %d: %s", c.path, resp.StatusCode, data)
		}
	}
}

// TestMethods: OPTIONS is answered everywhere, HEAD where GET is.
func TestMethods(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, path := range []string{"/v1/images/generations", "/sdapi/v1/txt2img", "/v1/models"} {
		if resp, _ := r.do("OPTIONS", path, nil, nil); resp.StatusCode != 204 || resp.Header.Get("Allow") == "" {
			t.Errorf("OPTIONS %s: status %d, Allow %q", path, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
	if resp, data := r.do("HEAD", "/v1/models", nil, nil); resp.StatusCode != 200 || len(data) != 0 {
		t.Errorf("HEAD: status %d", resp.StatusCode)
	}
	if resp, _ := r.do("GET", "/v1/images/generations", nil, nil); resp.StatusCode != 405 {
		t.Errorf("GET generations: status %d", resp.StatusCode)
	}
	if resp, _ := r.do("POST", "/sdapi/v1/interrogate", `{}`, nil); resp.StatusCode != 404 {
		t.Errorf("interrogate: status %d", resp.StatusCode)
	}
	if resp, _ := r.do("GET", "/v1/jobs", nil, nil); !strings.HasPrefix(resp.Header.Get("X-Request-Id"), "req_") {
		t.Error("no request id")
	}
}
