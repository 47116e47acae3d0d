// Package core is what the interfaces of the server have in common: a job is
// accepted, followed and waited for, and an error has a status and a code.
package core

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Core is one API server.
type Core struct {
	Name      string // unique among the servers of a store: clients wait at it
	Store     store.Store
	Blobs     store.Blobs
	Bus       bus.Bus
	Models    func() []catalog.Model // the first one is the default; sorted otherwise
	Adapters  func() catalog.Adapters
	Load      func(ctx context.Context, model string) error // before a job wants it, where this process can
	Unload    func(model string)
	Rescan    func(ctx context.Context) error // of all folders, here and at other workers
	Check     intake.Checker
	Samplers  []Named // by their names in A1111
	Schedules []Named
	Keep      time.Duration
	Version   string
	Log       *slog.Logger
	Prompts   bool // prompts are logged
	Text      bool // pictures carry their settings
	Public    string

	Rejected func(reason string) // counts refusals; may be nil

	draining atomic.Bool
	feeds    feeds
}

// Named is a sampler or a schedule: what it is called, and for people.
type Named struct {
	Name    string
	Label   string
	Aliases []string
	Rho     float64 // of the schedule of Karras
}

// ErrDraining is the answer of a server that is about to end.
var ErrDraining = errors.New("the server is about to end")

// Drain refuses new jobs from now on.
func (c *Core) Drain() { c.draining.Store(true) }

// Draining tells whether new jobs are refused.
func (c *Core) Draining() bool { return c.draining.Load() }

// ErrNoModel is the answer to a name that is no model's.
var ErrNoModel = errors.New("there is no such model")

// Model finds a model by name; the empty name is the default model.
func (c *Core) Model(name string) (catalog.Model, error) {
	models := c.Models()
	if name == "" && len(models) > 0 {
		return models[0], nil
	}
	if m, ok := catalog.Find(models, name); ok {
		return m, nil
	}
	return catalog.Model{}, ErrNoModel
}

// Submit accepts a job: when it returns, the job and its pictures are durable.
func (c *Core) Submit(ctx context.Context, j job.Job, blobs intake.Blobs) (job.Job, error) {
	if c.Draining() {
		return j, ErrDraining
	}
	put := c.Blobs.Put
	if j.Attached != "" { // it ends with its client, who is gone with this machine
		put = c.Blobs.Write
	}
	for name, data := range blobs {
		if err := put(ctx, j.ID, name, data); err != nil {
			c.Blobs.DeleteAll(context.WithoutCancel(ctx), j.ID)
			return j, err
		}
	}
	c.feeds.open(c, j).add(bus.Event{Kind: bus.KindStatus, Status: &j.Status})
	accepted, err := c.Store.Accept(ctx, j)
	if err == nil && c.Prompts {
		c.Log.Info("accepted", "job", accepted.ID, "prompt", j.Request.Prompt, "negative_prompt", j.Request.NegativePrompt)
	}
	if err != nil || accepted.ID != j.ID {
		c.feeds.close(j.ID)
		c.Blobs.DeleteAll(context.WithoutCancel(ctx), j.ID)
	}
	return accepted, err
}

// Wait returns a job when it has ended.
func (c *Core) Wait(ctx context.Context, id string) (job.Job, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changes := c.Store.Changes(ctx)
	for {
		j, err := c.Store.Get(ctx, id)
		if err != nil || j.Status.Final() {
			return j, err
		}
		select {
		case <-changes:
		case <-time.After(5 * time.Second): // a store over a network may lose a change
		}
		if err := ctx.Err(); err != nil {
			return j, err
		}
	}
}

// Do accepts a job whose client waits, and returns it when it has ended. If the
// client goes, the job is cancelled.
func (c *Core) Do(ctx context.Context, j job.Job, blobs intake.Blobs) (job.Job, error) {
	j.Attached = c.Name
	accepted, err := c.Submit(ctx, j, blobs)
	if err != nil {
		return j, err
	}
	done, err := c.Wait(ctx, accepted.ID)
	if err != nil {
		clean, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer stop()
		c.Store.Cancel(clean, accepted.ID)
		return done, err
	}
	return done, nil
}

// RetryAfter is in how many seconds the queue will have room, 1 to 120.
func (c *Core) RetryAfter(ctx context.Context) int {
	waiting, err := c.Store.Waiting(ctx)
	if err != nil {
		return 5
	}
	var work float64
	for _, j := range waiting {
		work += float64(j.Request.Cost())
	}
	rate := c.rate(ctx)
	if rate == 0 {
		return 10
	}
	return int(min(max(math.Ceil(work/rate), 1), 120))
}

// rate is the work of a second, in steps times pixels, of the jobs that ended last.
func (c *Core) rate(ctx context.Context) float64 {
	ended, _, err := c.Store.List(ctx, store.Query{AnyKey: true, Status: job.Succeeded, Limit: 16})
	if err != nil {
		return 0
	}
	slices.SortFunc(ended, func(a, b job.Job) int { return a.Started.Compare(b.Started) })
	var work, busy float64
	var until time.Time
	for _, j := range ended { // some run side by side
		work += float64(j.Request.Cost())
		if j.Started.After(until) {
			until = j.Started
		}
		if j.Finished.After(until) {
			busy += j.Finished.Sub(until).Seconds()
			until = j.Finished
		}
	}
	if busy == 0 {
		return 0
	}
	return work / busy
}
