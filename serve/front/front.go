// Package front is what every request goes through before it reaches an
// interface: whose it is, where it comes from, how large it is, and what is
// noted about it.
package front

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Front guards a handler.
type Front struct {
	Keys    map[string]string // secrets by name; none: everybody may do everything
	Origins []string          // that a browser's page may come from, beside the server itself
	Hosts   []string          // names of this server, beside loopback and the address it listens at
	MaxBody int64
	Rate    float64 // requests a second of a key; 0: any number
	Log     *slog.Logger
	Open    func(r *http.Request) bool // paths that need no key
	Forms   func(r *http.Request) bool // paths that take multipart forms
	Fail    Fail
	Seen    func(r *http.Request, code int, took time.Duration) // for metrics; may be nil

	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// Fail writes the error of a path's interface.
type Fail func(w http.ResponseWriter, r *http.Request, status int, reason Reason, message string)

// Reason is why a request is refused before any interface sees it.
type Reason string

// The reasons.
const (
	BadHost      Reason = "host"
	BadOrigin    Reason = "origin"
	NoKey        Reason = "key"
	TooFast      Reason = "rate"
	TooLarge     Reason = "size"
	BadMediaType Reason = "media_type"
	Internal     Reason = "internal"
)

type contextKey struct{}

// Key is the name of the API key that a request came with, or "".
func Key(ctx context.Context) string {
	name, _ := ctx.Value(contextKey{}).(string)
	return name
}

// Handler guards next.
func (f *Front) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := requestID()
		r = plainPath(r)
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("X-Request-Id", id)
		rec.Header().Set("X-Content-Type-Options", "nosniff")
		name := ""
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				f.Log.Error("a request made the program panic", "id", id, "panic", p, "stack", string(debug.Stack()))
				if rec.code == 0 {
					f.Fail(rec, r, http.StatusInternalServerError, Internal, "internal error")
				}
			}
			took := time.Since(began)
			if f.Seen != nil {
				f.Seen(r, rec.status(), took)
			}
			f.Log.Info("request", "id", id, "key", name, "method", r.Method, "route", route(r), "code", rec.status(), "ms", took.Milliseconds())
		}()
		status, reason, message, name := f.check(rec, r)
		if status != 0 {
			f.Fail(rec, r, status, reason, message)
			return
		}
		if r.Method == http.MethodOptions {
			f.options(rec, next, r)
			return
		}
		r.Body = http.MaxBytesReader(rec, &timed{ReadCloser: r.Body, out: http.NewResponseController(w)}, f.MaxBody)
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, name))
		next.ServeHTTP(rec, r)
	})
}

// check returns the status of a refusal, or 0 and the name of the key.
func (f *Front) check(w http.ResponseWriter, r *http.Request) (status int, reason Reason, message, name string) {
	if !f.ownHost(r) {
		return http.StatusForbidden, BadHost, "this is not the name of this server: --host NAME allows it", ""
	}
	if !f.ownOrigin(w, r) {
		return http.StatusForbidden, BadOrigin, "pages of other origins may not use this server: --cors-origin allows one", ""
	}
	name, ok := f.identify(r)
	if !ok && r.Method != http.MethodOptions && !f.Open(r) {
		if strings.HasPrefix(r.URL.Path, "/sdapi/") || strings.HasPrefix(r.URL.Path, "/controlnet/") || strings.HasPrefix(r.URL.Path, "/internal/") {
			w.Header().Set("WWW-Authenticate", "Basic")
		}
		return http.StatusUnauthorized, NoKey, "an API key is needed, and this is none", ""
	}
	if f.Rate > 0 && !f.Open(r) {
		if wait := f.wait(name); wait > 0 {
			w.Header().Set("Retry-After", seconds(wait))
			return http.StatusTooManyRequests, TooFast, "too many requests with this key", ""
		}
	}
	if r.ContentLength > f.MaxBody {
		w.Header().Set("Connection", "close")
		return http.StatusRequestEntityTooLarge, TooLarge, "the body is larger than this server takes (--max-body)", ""
	}
	if r.Method == http.MethodPost && !f.mediaType(r) {
		return http.StatusUnsupportedMediaType, BadMediaType, "want Content-Type: application/json", ""
	}
	return 0, "", "", name
}

// mediaType: a page of another site can send plain text and forms without being
// asked, so that only what it cannot send is taken, and multipart forms where an
// interface is made of them.
func (f *Front) mediaType(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "", "application/json":
		return true
	case "multipart/form-data":
		return f.Forms != nil && f.Forms(r)
	}
	return r.ContentLength == 0
}

// ownHost defends against names that an attacker lets point here.
func (f *Front) ownHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip := net.ParseIP(host); ip != nil {
		if ip.IsLoopback() {
			return true
		}
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			if h, _, err := net.SplitHostPort(local.String()); err == nil && net.ParseIP(h).Equal(ip) {
				return true
			}
		}
	}
	return host == "localhost" || slices.ContainsFunc(f.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// ownOrigin lets pages of this server and of those that are allowed in, and sets
// the headers that a browser wants of the latter.
func (f *Front) ownOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if slices.Contains(f.Origins, origin) || slices.Contains(f.Origins, "*") {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Vary", "Origin")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Prefer, X-API-Key, Last-Event-ID")
			w.Header().Set("Access-Control-Max-Age", "600")
		}
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// identify finds the name of a request's key. Without keys every request is
// nobody's, whatever it carries.
func (f *Front) identify(r *http.Request) (name string, ok bool) {
	if len(f.Keys) == 0 {
		return "", true
	}
	secret := r.Header.Get("X-Api-Key")
	if _, password, basic := r.BasicAuth(); basic {
		secret = password
	} else if kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		secret = strings.TrimSpace(token)
	}
	given := sha256.Sum256([]byte(secret))
	for key, want := range f.Keys { // all of them, so that the time tells nothing
		have := sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(given[:], have[:]) == 1 && want != "" {
			name, ok = key, true
		}
	}
	return name, ok
}

// wait is how long a key must wait for its next request.
func (f *Front) wait(name string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limiters == nil {
		f.limiters = map[string]*rate.Limiter{}
	}
	l := f.limiters[name]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(f.Rate), max(1, int(2*f.Rate)))
		f.limiters[name] = l
	}
	if l.Allow() {
		return 0
	}
	r := l.Reserve()
	defer r.Cancel()
	return r.Delay()
}

func requestID() string {
	var b [12]byte
	rand.Read(b[:])
	return "req_" + hex.EncodeToString(b[:])
}
