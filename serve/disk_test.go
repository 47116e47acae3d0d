package serve_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFullDisk: while the disk is full jobs are refused with 503, and taken again
// when there is room, by the same process.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Data = smallDisk(t)
	r := start(t, cfg)
	r.expect(202, "POST", "/v1/jobs", `{"prompt":"x"}`, nil)
	filler := filepath.Join(cfg.Data, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	f.Close()
	refused := false
	for range 300 { // what is left of the database's file takes some more
		resp, data := r.do("POST", "/v1/jobs", `{"prompt":"x","steps":1}`, nil)
		if resp.StatusCode == 503 {
			refused = resp.Header.Get("Retry-After") != ""
			break
		}
		if resp.StatusCode != 202 && resp.StatusCode != 429 {
			t.Fatalf("status %d: %s", resp.StatusCode, data)
		}
	}
	if !refused {
		t.Fatal("jobs are taken on a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if resp, _ := r.do("POST", "/v1/jobs", `{"prompt":"x","steps":1}`, nil); resp.StatusCode == 202 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("jobs are refused although there is room again")
		}
	}
}
