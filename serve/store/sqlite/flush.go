package sqlite

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// flusher puts a file on the disk, once for all who ask for it meanwhile.
type flusher struct {
	path string

	mu   sync.Mutex
	busy bool
	next *flush // that begins when the one at work has ended
}

// flush is one writing to the disk, that any number of callers wait for.
type flush struct {
	done chan struct{}
	err  error
}

// Flush returns when everything that was written to the file before is on the disk.
func (f *flusher) Flush() error {
	r := f.start()
	<-r.done
	return r.err
}

// start begins a flush, or joins the one that has not begun yet.
func (f *flusher) start() *flush {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = &flush{done: make(chan struct{})}
	}
	if !f.busy {
		f.busy = true
		go f.work()
	}
	return f.next
}

func (f *flusher) work() {
	for {
		f.mu.Lock()
		r := f.next
		f.next = nil
		if f.busy = r != nil; r == nil {
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		r.err = f.sync()
		close(r.done)
	}
}

func (f *flusher) sync() error {
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// fresh is how long before the last end of a job others ended whose pictures may not
// have reached the disk.
const fresh = time.Minute

// redo gives jobs that ended last, and whose pictures are not whole, back to the queue.
func (s *Store) redo(ctx context.Context, whole Whole) error {
	ended, _, err := s.List(ctx, store.Query{AnyKey: true, Status: job.Succeeded, Limit: 10000})
	if err != nil || len(ended) == 0 {
		return err
	}
	last := slices.MaxFunc(ended, func(a, b job.Job) int { return a.Finished.Compare(b.Finished) }).Finished
	for _, j := range ended {
		if last.Sub(j.Finished) > fresh || whole(ctx, j) {
			continue
		}
		j.Redo(time.Now().UTC())
		if err := s.change(ctx, func(tx querier) error { return put(ctx, tx, j) }); err != nil {
			return err
		}
	}
	return nil
}
