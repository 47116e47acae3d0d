package main

import (
	"image/png"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/weights/emoji"
)

// TestHandler: a prompt gives a picture, and what is wrong is said.
func TestHandler(t *testing.T) {
	m, err := emoji.Load(ldm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := httptest.NewServer(handler(m))
	defer s.Close()
	for query, want := range map[string]int{
		"?prompt=a+red+apple&seed=7&steps=2": http.StatusOK, "?prompt=x&width=65": http.StatusBadRequest, "?prompt=x&seed=-1": http.StatusBadRequest,
		"?prompt=x&steps=many": http.StatusBadRequest, "?prompt=x&height=1600000000": http.StatusBadRequest,
	} {
		r, err := http.Get(s.URL + "/" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: status %d, want %d", query, r.StatusCode, want)
		}
		if want != http.StatusOK {
			continue
		}
		if img, err := png.Decode(r.Body); err != nil || img.Bounds().Dx() != 64 || r.Header.Get("X-Seed") != "7" {
			t.Errorf("%s: seed %s, error %v", query, r.Header.Get("X-Seed"), err)
		}
	}
}
