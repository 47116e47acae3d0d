package serve_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/client"
	"github.com/ldm-go/ldm/serve/servetest"
)

// TestGoClient: progress, pictures, refusals by field, and a job that is
// cancelled with its context.
func TestGoClient(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Models = servetest.New(3 * time.Millisecond)
	cfg.Keys = map[string]string{"me": "secret"}
	r := start(t, cfg)
	c := client.Client{URL: r.url, Key: "secret"}
	ctx := context.Background()
	told := 0
	j, err := c.Run(ctx, client.Request{Prompt: "a cat", N: 2, Steps: 60}, func(p client.Progress) { told++ })
	if err != nil || len(j.Images) != 2 || told < 2 {
		t.Fatalf("%+v, told %d times, error %v", j, told, err)
	}
	data, err := c.Picture(ctx, j.Images[1])
	if err != nil || !bytes.HasPrefix(data, []byte("\x89PNG")) {
		t.Errorf("%d bytes, error %v", len(data), err)
	}
	again, err := c.Run(ctx, client.Request{Prompt: "a dog", InitImage: data, Steps: 3}, nil)
	if err != nil || len(again.Images) != 1 {
		t.Errorf("image to image: %+v, error %v", again, err)
	}
	var refused *client.Error
	if _, err := c.Run(ctx, client.Request{Width: 65}, nil); !errors.As(err, &refused) || refused.Param != "width" || refused.Busy() {
		t.Errorf("error %v", err)
	}
	if _, err := (&client.Client{URL: r.url}).Get(ctx, j.ID); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("without a key: error %v", err)
	}
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	if _, err := c.Run(short, client.Request{Steps: 250}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list := r.expect(200, "GET", "/v1/jobs?status=cancelled", nil, header{"X-API-Key": "secret"})["data"].([]any)
		if len(list) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the job goes on without its client")
		}
	}
}
