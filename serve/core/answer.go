package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Problem is what went wrong with a request, in OpenAI's form.
type Problem struct {
	Status  int     `json:"-"`
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`

	RetryAfter int  `json:"-"` // seconds; 0: not said
	NoRetry    bool `json:"-"` // the same would happen again
}

func problem(status int, kind, code, format string, args ...any) Problem {
	return Problem{Status: status, Type: kind, Code: &code, Message: fmt.Sprintf(format, args...)}
}

// Problem says what an error means to a client. What is the server's own
// affair is logged and not told.
func (c *Core) Problem(ctx context.Context, err error) Problem {
	var field *fields.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &field):
		p := problem(http.StatusBadRequest, "invalid_request_error", field.Code, "%s", field.Message)
		if field.Field != "" {
			p.Message, p.Param = field.Error(), &field.Field
		}
		return p
	case errors.As(err, &large):
		return problem(http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large", "the body is larger than %d bytes", large.Limit)
	case errors.Is(err, ErrNoModel):
		p := problem(http.StatusNotFound, "invalid_request_error", "model_not_found", "%v", err)
		param := "model"
		p.Param = &param
		return p
	case errors.Is(err, store.ErrNotFound):
		return problem(http.StatusNotFound, "invalid_request_error", "not_found", "there is no such job or picture")
	case errors.Is(err, store.ErrConflict):
		return problem(http.StatusConflict, "invalid_request_error", "idempotency_conflict", "%v", err)
	case errors.Is(err, store.ErrFull):
		p := problem(http.StatusTooManyRequests, "requests", "rate_limit_exceeded", "%v: try again later", err)
		p.RetryAfter = c.RetryAfter(ctx)
		return p
	case errors.Is(err, store.ErrNoSpace), errors.Is(err, ErrDraining):
		c.Log.Warn("a job was not accepted", "error", err)
		text := ErrDraining.Error()
		if errors.Is(err, store.ErrNoSpace) {
			text = store.ErrNoSpace.Error()
		}
		p := problem(http.StatusServiceUnavailable, "server_error", "unavailable", "%s: try again later", text)
		p.RetryAfter = 10
		return p
	}
	if ctx.Err() == nil {
		c.Log.Error("a request failed", "error", err)
	}
	return problem(http.StatusInternalServerError, "server_error", "internal_error", "internal error")
}

// Failure says what the failure of a job means to a client that waited for it.
func Failure(j job.Job) Problem {
	if j.Status == job.Cancelled || j.Error == nil {
		p := problem(http.StatusInternalServerError, "server_error", "cancelled", "the job was cancelled")
		p.NoRetry = true
		return p
	}
	if j.Error.Code == job.InvalidInput {
		return problem(http.StatusBadRequest, "invalid_request_error", fields.InvalidValue, "%s", j.Error.Message)
	}
	p := problem(http.StatusInternalServerError, "server_error", string(j.Error.Code), "%s", j.Error.Message)
	p.NoRetry = true
	return p
}

// Headers sets what a problem says in headers.
func (p Problem) Headers(w http.ResponseWriter) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.NoRetry {
		w.Header().Set("X-Should-Retry", "false")
	}
}

// WriteProblem answers in OpenAI's form.
func WriteProblem(w http.ResponseWriter, p Problem) {
	p.Headers(w)
	JSON(w, p.Status, map[string]any{"error": p})
}

// Refuse answers an error of the interface of jobs and of OpenAI's.
func (c *Core) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	c.Reject(w, c.Problem(r.Context(), err))
}

// Reject counts and answers a problem.
func (c *Core) Reject(w http.ResponseWriter, p Problem) {
	if c.Rejected != nil && p.Code != nil {
		c.Rejected(*p.Code)
	}
	WriteProblem(w, p)
}

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":"internal_error"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)+1))
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}

// KeepAlive is how often a stream without events says that it is there.
const KeepAlive = 15 * time.Second

// Stream is an answer of server-sent events.
type Stream struct {
	w   http.ResponseWriter
	out *http.ResponseController
}

// NewStream begins an answer.
func NewStream(w http.ResponseWriter) *Stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s := &Stream{w, http.NewResponseController(w)}
	s.out.Flush()
	return s
}

// Send writes an event; id 0 is none.
func (s *Stream) Send(id int, event string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return
	}
	if id > 0 {
		fmt.Fprintf(s.w, "id: %d\n", id)
	}
	fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data)
	s.out.Flush()
}

// Comment writes a line that clients ignore.
func (s *Stream) Comment() {
	fmt.Fprint(s.w, ": waiting\n\n")
	s.out.Flush()
}
