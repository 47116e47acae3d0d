// Package serve is the server: models behind OpenAI's images API, A1111's API
// and an API of jobs. This package puts its rooms together; what a request is
// and how nothing is lost stands there.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/a1111"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/jobsapi"
	"github.com/ldm-go/ldm/serve/openai"
	"github.com/ldm-go/ldm/serve/page"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/s3"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/worker"
)

// Models are what a server can run, and run by.
type Models interface {
	worker.Runner
	// List returns what is known of the models, the default one first.
	List() []catalog.Model
	// Adapters are what prompts can call on.
	Adapters() catalog.Adapters
	// Load loads a model before a job wants it.
	Load(id string) error
	// Unload gives a model's memory back, unless it is in use.
	Unload(id string)
	// Rescan looks again at the folders of models and adapters.
	Rescan() error
	// Bytes is the memory of the models that are loaded.
	Bytes() int64
}

// Config configures a server. Zero values mean the defaults of DefaultConfig.
type Config struct {
	Listen   string // host:port
	Insecure bool   // may listen beyond loopback without keys
	Data     string // folder for jobs and pictures
	Role     Role
	NATS     string // address; "": SQLite in Data
	Replicas int    // of what NATS keeps
	S3       string // https://HOST/BUCKET for pictures; "": beside the jobs

	Keys    map[string]string // secrets by name
	Origins []string
	Hosts   []string
	Rate    float64 // requests a second of a key
	Public  string  // where clients reach this server, for addresses in answers

	Queue     int // jobs that may wait
	MaxBody   int64
	Limits    intake.Limits
	MaxBatch  int
	Timeout   time.Duration // of a job's running
	Keep      time.Duration
	KeepBytes int64
	Grace     time.Duration

	NoMetadata  bool
	LogPrompts  bool
	MetricsKeys bool
	Version     string
	Log         *slog.Logger

	Models Models
	Page   http.Handler // at /; may be nil
}

// Role is what a process does.
type Role string

// The roles.
const (
	Both   Role = ""
	API    Role = "api"
	Worker Role = "worker"
)

// DefaultConfig holds the defaults.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:7860", Queue: 64, MaxBody: 64 << 20, Limits: intake.DefaultLimits, MaxBatch: 8,
		Timeout: 30 * time.Minute, Keep: 24 * time.Hour, KeepBytes: 2 << 30, Grace: 20 * time.Second,
		Log: slog.Default(),
	}
}

// Server is a process of the service.
type Server struct {
	cfg      Config
	name     string
	core     *core.Core
	store    store.Store
	blobs    store.Blobs
	presence presence
	metrics  *metrics
	handler  http.Handler
	close    []func() error

	mu     sync.Mutex
	alive  map[string]bool // processes of the service
	remote []catalog.Model // that workers elsewhere have
	extra  catalog.Adapters
	ready  bool
}

// New opens the store and makes the handlers; nothing listens yet.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, name: memberName(cfg.Role)}
	transport, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	s.core = &core.Core{
		Name: s.name, Store: s.store, Blobs: s.blobs, Bus: bus.Bus{Transport: transport}, Models: s.models,
		Adapters: s.adapters, Load: s.load, Unload: s.unload, Rescan: s.rescan,
		Check:    intake.Checker{Limits: cfg.Limits, Samplers: checkSampler, Adapters: s.adapters},
		Samplers: samplerNames(), Schedules: scheduleNames(), Keep: cfg.Keep, Version: cfg.Version, Log: cfg.Log,
		Prompts: cfg.LogPrompts, Text: !cfg.NoMetadata, Public: cfg.Public, Rejected: s.metrics.reject,
	}
	s.handler = s.routes()
	return s, nil
}

// check refuses what would be open to the world by accident.
func (c *Config) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: want HOST:PORT, as 127.0.0.1:7860", c.Listen)
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if !loopback && len(c.Keys) == 0 && !c.Insecure && c.Role != Worker {
		return fmt.Errorf("--listen %s is reachable from other machines: give keys with --api-key NAME=SECRET, or say --insecure", c.Listen)
	}
	switch c.Role {
	case Both, API, Worker:
	default:
		return fmt.Errorf("--role %q: want api or worker", c.Role)
	}
	if c.Role != Both && c.NATS == "" {
		return fmt.Errorf("--role %s wants a queue that processes share: give --nats URL", c.Role)
	}
	for name, secret := range c.Keys {
		if secret == "" {
			return fmt.Errorf("the API key %q is empty", name)
		}
	}
	return nil
}

// open opens SQLite in the data folder, or NATS, and where the pictures are.
func (s *Server) open(ctx context.Context) (bus.Transport, error) {
	if s.cfg.S3 != "" {
		blobs, err := s3.Open(ctx, s.cfg.S3)
		if err != nil {
			return nil, fmt.Errorf("--s3 %w", err)
		}
		s.blobs = blobs
	}
	if s.cfg.NATS != "" {
		return s.openNATS(ctx)
	}
	if s.blobs == nil {
		files := &store.Files{Dir: filepath.Join(s.cfg.Data, "pictures")}
		if err := os.MkdirAll(files.Dir, 0o700); err != nil {
			return nil, err
		}
		s.blobs, s.close = files, append(s.close, files.Flush)
	}
	db, err := sqlite.Open(s.cfg.Data, s.cfg.Queue, func(ctx context.Context, j job.Job) bool { return worker.Whole(ctx, s.blobs, j) })
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, db.Close)
	s.store, s.presence = db, alone{}
	return &bus.Local{}, nil
}

// Close gives back files and connections.
func (s *Server) Close() error {
	var errs []error
	for _, f := range s.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Handler answers every request of the server.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	openai.API{Core: s.core}.Register(mux)
	(&a1111.API{Core: s.core}).Register(mux)
	jobsapi.API{Core: s.core}.Register(mux)
	s.operation(mux)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) { s.notFound(w, r, mux) })
	mux.HandleFunc("/sdapi/", func(w http.ResponseWriter, r *http.Request) { s.notFound(w, r, mux) })
	mux.HandleFunc("/controlnet/", func(w http.ResponseWriter, r *http.Request) { s.notFound(w, r, mux) })
	mux.Handle("GET /{$}", page.Handler())
	mux.Handle("GET /assets/", page.Handler())
	f := &front.Front{
		Keys: s.cfg.Keys, Origins: s.cfg.Origins, Hosts: s.cfg.hosts(), MaxBody: s.cfg.MaxBody, Rate: s.cfg.Rate, Log: s.cfg.Log,
		Open: open, Forms: forms, Fail: s.fail, Seen: s.metrics.request,
	}
	return f.Handler(mux)
}

// hosts are the names of this server, that clients reach it by among them.
func (c *Config) hosts() []string {
	if u, err := url.Parse(c.Public); err == nil && u.Hostname() != "" {
		return append(slices.Clone(c.Hosts), u.Hostname())
	}
	return c.Hosts
}

// forms tells whether a path takes multipart forms.
func forms(r *http.Request) bool {
	return r.URL.Path == "/v1/images/edits" || r.URL.Path == "/v1/images/variations"
}

// open tells whether a path needs no key.
func open(r *http.Request) bool {
	switch r.URL.Path {
	case "/", "/healthz", "/readyz", "/internal/ping":
		return true
	}
	return strings.HasPrefix(r.URL.Path, "/assets/")
}
