// Package store keeps jobs and pictures so that nothing that was accepted is
// lost. There are two implementations, of one conformance suite: sqlite for
// one process, nats for many machines.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/ldm-go/ldm/serve/job"
)

// The errors of stores.
var (
	ErrFull     = errors.New("the queue is full")
	ErrNotFound = errors.New("no such job")
	ErrConflict = errors.New("the idempotency key was used for another request")
	ErrTaken    = errors.New("the job is no longer this worker's")
	ErrNoSpace  = errors.New("no space left to store jobs")
	ErrActive   = errors.New("the job has not ended")
)

// Store keeps jobs. All methods may be called by many goroutines, and, for
// stores that are shared, by many processes.
type Store interface {
	// Accept makes a waiting job durable before it returns; workers may see it before.
	// Of a job that ends with the client who waits for it nothing need outlive the
	// machine. A job with the same idempotency key and digest is returned in its place;
	// with another digest it is ErrConflict. ErrFull: too many jobs wait.
	Accept(ctx context.Context, j job.Job) (job.Job, error)
	// Get returns a job, or ErrNotFound.
	Get(ctx context.Context, id string) (job.Job, error)
	// List returns jobs, newest first, and whether there are more.
	List(ctx context.Context, q Query) (jobs []job.Job, more bool, err error)
	// Waiting returns the queued jobs, oldest first.
	Waiting(ctx context.Context) ([]job.Job, error)
	// Claim makes a queued job this worker's until the lease ends; ErrTaken if
	// it is no longer queued.
	Claim(ctx context.Context, id, worker string, until time.Time) (job.Job, error)
	// Renew extends the lease of a running job; ErrTaken if it was lost or cancelled.
	Renew(ctx context.Context, id, worker string, until time.Time) error
	// Save writes a job that j.Worker runs, also its end; ErrTaken if the job is no
	// longer that worker's. The lease stays as it is stored. As with Claim, Renew and
	// Release, the loss of power may undo it: the job is run once more then.
	Save(ctx context.Context, j job.Job) error
	// Release gives a claimed job back to the queue, and does not count the attempt.
	Release(ctx context.Context, id, worker string) error
	// Cancel ends a job that has not ended, and returns it as it is then.
	Cancel(ctx context.Context, id string) (job.Job, error)
	// Delete forgets a job that has ended; ErrActive if it has not.
	Delete(ctx context.Context, id string) error
	// Reap deals with running jobs whose lease ended before now (see
	// job.LoseWorker), and cancels jobs attached to an owner that is not alive.
	Reap(ctx context.Context, now time.Time, alive func(owner string) bool) error
	// Changes tells that jobs were accepted, claimed, cancelled or ended since the
	// last receive. The channel is closed when ctx ends.
	Changes(ctx context.Context) <-chan struct{}
	// Close ends the store's use of files and connections.
	Close() error
}

// Query selects jobs for List.
type Query struct {
	Key    string // of this API key
	AnyKey bool   // of all keys
	Status job.Status
	Family job.Family
	After  string // older than this job
	Limit  int    // at most so many; < 1: 20
}

// Blobs keeps the pictures of jobs. A blob belongs to a job and has a name.
type Blobs interface {
	// Put makes a blob durable before it returns.
	Put(ctx context.Context, id, name string, data []byte) error
	// Write keeps a blob from the end of the process, and soon after from the loss of
	// power: enough for what can be made again.
	Write(ctx context.Context, id, name string, data []byte) error
	// Get returns a blob, or ErrNotFound.
	Get(ctx context.Context, id, name string) ([]byte, error)
	// DeleteAll removes the blobs of a job.
	DeleteAll(ctx context.Context, id string) error
	// Sizes returns the bytes of every job's blobs.
	Sizes(ctx context.Context) (map[string]int64, error)
}

// Sweep removes jobs that ended before a time, and the oldest ended ones while
// all blobs together take more than maxBytes. Blobs of jobs that are not in the
// store, left behind by a crash, go too if they are not new.
func Sweep(ctx context.Context, s Store, b Blobs, before time.Time, maxBytes int64) error {
	sizes, err := b.Sizes(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, n := range sizes {
		total += n
	}
	ended, err := allEnded(ctx, s)
	if err != nil {
		return err
	}
	for i := len(ended) - 1; i >= 0; i-- { // oldest first
		j := ended[i]
		if !j.Finished.Before(before) && total <= maxBytes {
			continue
		}
		if err := Remove(ctx, s, b, j.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		total -= sizes[j.ID]
	}
	for id := range sizes {
		if _, err := s.Get(ctx, id); errors.Is(err, ErrNotFound) && job.Created(id).Before(before) {
			if err := b.DeleteAll(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func allEnded(ctx context.Context, s Store) ([]job.Job, error) {
	var ended []job.Job
	q := Query{AnyKey: true, Limit: 500}
	for {
		page, more, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, j := range page {
			if j.Status.Final() {
				ended = append(ended, j)
			}
		}
		if !more {
			return ended, nil
		}
		q.After = page[len(page)-1].ID
	}
}

// Remove forgets a job that has ended, and its pictures.
func Remove(ctx context.Context, s Store, b Blobs, id string) error {
	if err := s.Delete(ctx, id); err != nil {
		return err
	}
	return b.DeleteAll(ctx, id)
}
