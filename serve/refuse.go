package serve

import (
	"net/http"
	"strings"

	"github.com/ldm-go/ldm/serve/a1111"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/front"
)

// answer writes a problem in the form of the interface that a path belongs to.
func answer(w http.ResponseWriter, r *http.Request, p core.Problem) {
	if a1111.Owns(r.URL.Path) {
		a1111.WriteProblem(w, p)
		return
	}
	core.WriteProblem(w, p)
}

// fail answers for the front.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, reason front.Reason, message string) {
	s.metrics.reject(string(reason))
	p := core.Problem{Status: status, Message: message, Type: "invalid_request_error"}
	code := ""
	switch reason {
	case front.NoKey:
		code = "invalid_api_key"
	case front.TooFast:
		p.Type, code = "requests", "rate_limit_exceeded"
	case front.TooLarge:
		code = "request_too_large"
	case front.BadMediaType:
		code = "unsupported_media_type"
	case front.Internal:
		p.Type, code = "server_error", "internal_error"
	default:
		code = "forbidden"
	}
	p.Code = &code
	answer(w, r, p)
}

// notFound answers paths that are not there, and methods that they do not have.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		try := r.Clone(r.Context())
		try.Method = method
		if _, pattern := mux.Handler(try); strings.Contains(pattern, " ") {
			allowed = append(allowed, method)
		}
	}
	code := "not_found"
	p := core.Problem{Status: http.StatusNotFound, Type: "invalid_request_error", Message: "there is nothing at this address", Code: &code}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		p.Status, p.Message = http.StatusMethodNotAllowed, "this address takes "+strings.Join(allowed, ", ")
	}
	answer(w, r, p)
}
