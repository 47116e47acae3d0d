package serve

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/spec"
	"github.com/ldm-go/ldm/serve/worker"
)

// operation adds what those who run the server need.
func (s *Server) operation(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		core.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ok, reason := s.isReady(); !ok {
			core.JSON(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": reason})
			return
		}
		core.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.Handle("GET /openapi.json", spec.JSON(s.cfg.Version))
	mux.Handle("GET /docs", spec.Page())
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
}

// metrics are those of one server.
type metrics struct {
	registry  *prometheus.Registry
	byKey     bool
	jobs      *prometheus.CounterVec
	running   prometheus.Gauge
	wait      prometheus.Histogram
	took      *prometheus.HistogramVec
	step      *prometheus.HistogramVec
	rows      prometheus.Histogram
	images    prometheus.Counter
	rejected  *prometheus.CounterVec
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics(s *Server) *metrics {
	long := []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800}
	labels := []string{"status"}
	if s.cfg.MetricsKeys {
		labels = append(labels, "key")
	}
	m := &metrics{
		registry: prometheus.NewRegistry(), byKey: s.cfg.MetricsKeys,
		jobs:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ldm_jobs_total", Help: "Jobs that ended at this worker."}, labels),
		running:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "ldm_jobs_running", Help: "Jobs that run at this worker."}),
		wait:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ldm_queue_wait_seconds", Help: "Time from acceptance to start.", Buckets: long}),
		took:      prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ldm_job_seconds", Help: "Time that a job ran.", Buckets: long}, []string{"type", "model"}),
		step:      prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ldm_step_seconds", Help: "Time of a job divided by its steps.", Buckets: prometheus.ExponentialBuckets(.001, 2, 16)}, []string{"model"}),
		rows:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ldm_batch_rows", Help: "Pictures computed together.", Buckets: []float64{1, 2, 3, 4, 6, 8, 12, 16, 32}}),
		images:    prometheus.NewCounter(prometheus.CounterOpts{Name: "ldm_images_total", Help: "Pictures made."}),
		rejected:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ldm_rejected_total", Help: "Requests refused."}, []string{"reason"}),
		requests:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ldm_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ldm_http_request_seconds", Help: "Time of a request.", Buckets: long}, []string{"route"}),
	}
	depth := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ldm_queue_depth", Help: "Jobs that wait."}, func() float64 {
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		waiting, _ := s.store.Waiting(ctx)
		return float64(len(waiting))
	})
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ldm_model_bytes", Help: "Memory of the models that are loaded."}, func() float64 {
		if s.cfg.Models == nil {
			return 0
		}
		return float64(s.cfg.Models.Bytes())
	})
	m.registry.MustRegister(m.jobs, m.running, m.wait, m.took, m.step, m.rows, m.images, m.rejected, m.requests, m.durations, depth, bytes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) reject(reason string) { m.rejected.WithLabelValues(reason).Inc() }

// batch counts pictures that are computed together.
func (m *metrics) batch(rows int) { m.rows.Observe(float64(rows)) }

// request counts an answered request under the pattern that it met.
func (m *metrics) request(r *http.Request, code int, took time.Duration) {
	route := front.Route(r)
	m.requests.WithLabelValues(route, method(r.Method), strconv.Itoa(code)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

// method keeps what clients invent out of the labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodHead:
		return m
	}
	return "other"
}

// measured is a runner whose jobs are counted.
type measured struct {
	worker.Runner
	m *metrics
}

func (m *metrics) measure(r worker.Runner) worker.Runner { return measured{r, m} }

// Run implements worker.Runner.
func (r measured) Run(ctx context.Context, t *worker.Task) error {
	m := r.m
	m.running.Inc()
	defer m.running.Dec()
	j := t.Job
	m.wait.Observe(j.Started.Sub(j.Created).Seconds())
	began := time.Now()
	err := r.Runner.Run(ctx, t)
	took := time.Since(began).Seconds()
	status := "succeeded"
	switch {
	case err == nil:
		m.images.Add(float64(t.Made()))
		m.took.WithLabelValues(string(j.Request.Type), j.Request.Model).Observe(took)
		m.step.WithLabelValues(j.Request.Model).Observe(took / float64(max(j.Request.Steps*j.Request.N, 1)))
	case errors.Is(err, context.Canceled):
		status = "cancelled"
	default:
		status = "failed"
	}
	if m.byKey {
		m.jobs.WithLabelValues(status, j.Key).Inc()
	} else {
		m.jobs.WithLabelValues(status).Inc()
	}
	return err
}
