package front

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what it needs.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// route is the pattern that a request met: paths of clients do not become names
// of metrics or lines of logs.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return r.Pattern
}

// Route is the pattern that a request met, without its method.
func Route(r *http.Request) string { return route(r) }

func seconds(d time.Duration) string {
	return strconv.Itoa(int(min(max(math.Ceil(d.Seconds()), 1), 120)))
}

// options answers OPTIONS on every path that has a handler: some clients ask so
// whether the server is there.
func (f *Front) options(w http.ResponseWriter, next http.Handler, r *http.Request) {
	mux, ok := next.(*http.ServeMux)
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		try := r.Clone(r.Context())
		try.Method = method
		if _, pattern := mux.Handler(try); pattern != "" && pattern != "/" {
			allowed = append(allowed, method)
			if method == http.MethodGet {
				allowed = append(allowed, http.MethodHead)
			}
		}
	}
	w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
	w.WriteHeader(http.StatusNoContent)
}
