package serve_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/servetest"
)

// FuzzRequests sends bodies to every interface: each is answered, with JSON, and
// never as an internal error.
func FuzzRequests(f *testing.F) {
	cfg := serve.DefaultConfig()
	cfg.Data, cfg.Models = f.TempDir(), servetest.New(0)
	cfg.Log, cfg.Version, cfg.Queue = slog.New(slog.DiscardHandler), "ldm test", 1000000
	s, err := serve.New(context.Background(), cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	paths := []string{
		"/v1/images/generations", "/v1/jobs", "/sdapi/v1/txt2img", "/sdapi/v1/img2img", "/sdapi/v1/png-info", "/sdapi/v1/extra-single-image",
		"/sdapi/v1/extra-batch-images", "/sdapi/v1/options", "/v1/images/edits",
	}
	const dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	for i := range paths {
		f.Add(uint8(i), `{"prompt":"a","n":1,"width":65,"seed":1e3,"init_images":["`+dot+`"],"image":"`+dot+`","init_image":"`+dot+`"}`)
		f.Add(uint8(i), `{"prompt":["a"],"steps":"x","override_settings":[],"alwayson_scripts":{"x":1},"imageList":[{"data":1}],"mask":"!"}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		// No worker runs, so that what would wait for a job ends with the client.
		ctx, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer stop()
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body)).WithContext(ctx)
		r.Header.Set("Content-Type", "application/json")
		if path == "/v1/images/edits" {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code == 500 && ctx.Err() == nil {
			t.Errorf("%s %q: %s", path, body, w.Body)
		}
		if text := w.Body.String(); text != "" && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "null") {
			t.Errorf("%s %q: %q", path, body, text)
		}
	})
}
