package front

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// bodyTime is how long a request's body may take to come.
const bodyTime = 60 * time.Second

// timed is a body that has to come within bodyTime. Behind its end nothing is bounded: the
// answer may take hours.
type timed struct {
	io.ReadCloser
	out   *http.ResponseController
	begun bool
}

func (t *timed) Read(p []byte) (int, error) {
	if !t.begun {
		t.begun = true
		t.out.SetReadDeadline(time.Now().Add(bodyTime))
	}
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		t.out.SetReadDeadline(time.Time{})
	}
	return n, err
}

// plainPath is a request without the slashes that an address with one at its end makes
// two of, and without one at its end: a redirection would lose the body.
func plainPath(r *http.Request) *http.Request {
	path := r.URL.Path
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if path == r.URL.Path || path == "" {
		return r
	}
	plain := new(http.Request)
	*plain = *r
	plain.URL = new(url.URL)
	*plain.URL = *r.URL
	plain.URL.Path, plain.URL.RawPath = path, ""
	return plain
}
