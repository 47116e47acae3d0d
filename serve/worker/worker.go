// Package worker takes jobs from a store, runs them and writes what came of
// them. Any number of workers may share a store; each job is run by one at a
// time, and by another if that one dies.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/schedule"
	"github.com/ldm-go/ldm/serve/store"
)

// Runner makes the pictures of jobs.
type Runner interface {
	// Loaded tells whether a model is in memory.
	Loaded(model string) bool
	// Has tells whether this worker has what a job wants, its model above all.
	Has(r job.Request) bool
	// Run makes the pictures of a job and hands each to the task when it is done. It is
	// called for several jobs of one class at once.
	Run(ctx context.Context, t *Task) error
}

// Worker runs jobs one class at a time.
type Worker struct {
	Name   string // unique among the workers of a store
	Store  store.Store
	Blobs  store.Blobs
	Bus    bus.Bus
	Runner Runner
	Alive  func(owner string) bool // whether an API server that clients wait at is alive
	Log    *slog.Logger

	MaxRows int            // pictures computed together
	Timeout time.Duration  // of a job's running; 0: none
	Lease   time.Duration  // 0: 30 s
	Grace   time.Duration  // how long running jobs may go on after the end of Run's context
	Only    bool           // there is no other worker: jobs of what this one lacks fail here
	Batch   func(rows int) // told how many pictures are computed together; may be nil
	Idle    func()         // called when there was no job for a while; may be nil
}

// Run works until ctx ends, lets running jobs go on for Grace, and gives back
// those that have not ended by then.
func (w *Worker) Run(ctx context.Context) error {
	if w.Lease == 0 {
		w.Lease = 30 * time.Second
	}
	hard, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(w.Grace, stop) })

	scheduler := schedule.Scheduler{MaxRows: w.MaxRows}
	changes := w.Store.Changes(ctx)
	reap := time.NewTicker(w.Lease / 3)
	defer reap.Stop()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for ctx.Err() == nil {
		if err := w.Store.Reap(ctx, time.Now(), w.Alive); err != nil && ctx.Err() == nil {
			w.Log.Warn("jobs without a worker could not be given back", "error", err)
		}
		claimed := w.claim(ctx, &scheduler)
		if len(claimed) > 0 {
			w.runAll(hard, claimed)
			idle.Reset(idleAfter)
			continue
		}
		select {
		case <-ctx.Done():
		case <-changes:
		case <-reap.C:
		case <-idle.C:
			if w.Idle != nil {
				w.Idle()
			}
		}
	}
	return nil
}

// idleAfter is how long a worker without a job waits until it calls Idle.
const idleAfter = 5 * time.Second

// claim takes the jobs that run next.
func (w *Worker) claim(ctx context.Context, scheduler *schedule.Scheduler) []job.Job {
	waiting, err := w.Store.Waiting(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("the queue cannot be read", "error", err)
		}
		return nil
	}
	mine := waiting[:0]
	for _, j := range waiting {
		if w.Only || w.Runner.Has(j.Request) {
			mine = append(mine, j)
		}
	}
	var claimed []job.Job
	for _, j := range scheduler.Next(mine, w.Runner.Loaded, time.Now()) {
		got, err := w.Store.Claim(ctx, j.ID, w.Name, time.Now().Add(w.Lease))
		if err != nil {
			if !errors.Is(err, store.ErrTaken) && ctx.Err() == nil {
				w.Log.Warn("a job cannot be claimed", "job", j.ID, "error", err)
			}
			continue
		}
		scheduler.Charge(got)
		claimed = append(claimed, got)
	}
	return claimed
}

// runAll runs jobs of one class side by side: the model computes their steps
// together, and each ends by itself.
func (w *Worker) runAll(ctx context.Context, jobs []job.Job) {
	if w.Batch != nil {
		rows := 0
		for _, j := range jobs {
			rows += (&Task{Job: j, worker: w}).Rows()
		}
		w.Batch(rows)
	}
	var wg sync.WaitGroup
	for _, j := range jobs {
		wg.Go(func() { w.run(ctx, j) })
	}
	wg.Wait()
}

// run runs a job to its end, or until it is cancelled, times out, or ctx ends.
func (w *Worker) run(hard context.Context, j job.Job) {
	ctx, stop := context.WithCancelCause(hard)
	defer stop(nil)
	if w.Timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, w.Timeout, errTimeout)
		defer end()
	}
	t := &Task{Job: j, worker: w, began: time.Now()}
	w.Bus.Follow(ctx, j.ID, t.control)
	status := job.Running
	w.Bus.Send(j.ID, bus.Event{Kind: bus.KindStatus, Status: &status})
	go w.hold(ctx, stop, j.ID)

	err := w.safely(ctx, t)
	switch cause := context.Cause(ctx); {
	case err != nil && errors.Is(cause, store.ErrTaken): // cancelled, or another worker has it
	case err != nil && hard.Err() != nil:
		err = w.Store.Release(context.WithoutCancel(hard), j.ID, w.Name)
		w.Log.Info("a job goes back to the queue", "job", j.ID, "error", err)
	default:
		if errors.Is(cause, errTimeout) {
			err = errTimeout
		}
		w.end(context.WithoutCancel(hard), t, err)
	}
	if ended, err := w.Store.Get(context.WithoutCancel(hard), j.ID); err == nil {
		w.Bus.Send(j.ID, bus.Event{Kind: bus.KindStatus, Status: &ended.Status})
	}
}

var errTimeout = errors.New("the job ran longer than is allowed")

// hold renews the lease, and ends the run when the job is no longer this worker's.
func (w *Worker) hold(ctx context.Context, stop context.CancelCauseFunc, id string) {
	changes := w.Store.Changes(ctx)
	tick := time.NewTicker(w.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.Store.Renew(ctx, id, w.Name, time.Now().Add(w.Lease)); errors.Is(err, store.ErrTaken) {
				stop(store.ErrTaken)
				return
			}
		case <-changes:
			j, err := w.Store.Get(ctx, id)
			if errors.Is(err, store.ErrNotFound) || err == nil && (j.Status != job.Running || j.Worker != w.Name) {
				stop(store.ErrTaken)
				return
			}
		}
	}
}
