package serve

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/worker"
)

// Run listens and works until ctx ends: then it takes no new jobs, lets what runs
// go on for Config.Grace, and gives the rest back to the queue. ready is told
// the address.
func (s *Server) Run(ctx context.Context, ready func(addr net.Addr)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.hear(ctx)
	s.obey(background)
	wg.Go(func() { s.announce(background) })
	wg.Go(func() { s.sweep(background) })

	var listener net.Listener
	var err error
	if s.cfg.Role != Worker {
		if listener, err = net.Listen("tcp", s.cfg.Listen); err != nil {
			return err
		}
	}
	worked := make(chan struct{})
	if s.cfg.Role != API {
		go func() {
			defer close(worked)
			s.worker().Run(ctx)
		}()
	} else {
		close(worked)
	}
	s.setReady(true)
	if listener == nil {
		ready(nil)
		notify("READY=1")
		<-ctx.Done()
		notify("STOPPING=1")
		<-worked
		return nil
	}
	return s.listen(ctx, listener, worked, ready)
}

func (s *Server) listen(ctx context.Context, listener net.Listener, worked <-chan struct{}, ready func(net.Addr)) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	ready(listener.Addr())
	notify("READY=1")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	notify("STOPPING=1")
	s.setReady(false)
	s.core.Drain()
	<-worked // within the grace
	closing, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	if err := server.Shutdown(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

func (s *Server) worker() *worker.Worker {
	return &worker.Worker{
		Name: s.name, Store: s.store, Blobs: s.blobs, Bus: s.core.Bus, Runner: s.metrics.measure(s.cfg.Models), Alive: s.isAlive, Log: s.cfg.Log,
		MaxRows: s.cfg.MaxBatch, Timeout: s.cfg.Timeout, Grace: s.cfg.Grace,
		Idle: debug.FreeOSMemory, Only: s.cfg.NATS == "", Batch: s.metrics.batch,
	}
}

// sweep removes what is too old or too much.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if !s.mayRest() {
			s.sweepOnce(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// mayRest tells whether another process of the service may sweep in place of this one:
// one of them does in most minutes.
func (s *Server) mayRest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rand.IntN(max(len(s.alive), 1)) != 0
}

func (s *Server) sweepOnce(ctx context.Context) {
	if err := store.Sweep(ctx, s.store, s.blobs, time.Now().Add(-s.cfg.Keep), s.cfg.KeepBytes); err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("old jobs cannot be removed", "error", err)
	}
}

func (s *Server) setReady(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = yes
}

// isReady tells whether jobs are taken, and why not.
func (s *Server) isReady() (bool, string) {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	switch {
	case s.core.Draining():
		return false, "the server is about to end"
	case !ready:
		return false, "the server is starting"
	case len(s.models()) == 0:
		return false, "no worker has a model"
	}
	return true, ""
}
