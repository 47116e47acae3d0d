package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/store/storetest"
	"github.com/ldm-go/ldm/serve/worker"
)

// fake makes pictures of a few bytes, a step every few milliseconds. The prompt
// says what goes wrong.
type fake struct {
	step  time.Duration
	steps atomic.Int64
	most  atomic.Int64 // jobs at once
	now   atomic.Int64
}

func (f *fake) Loaded(string) bool     { return true }
func (f *fake) Has(r job.Request) bool { return r.Model == "m" }

func (f *fake) Run(ctx context.Context, t *worker.Task) error {
	f.most.Store(max(f.most.Load(), f.now.Add(1)))
	defer f.now.Add(-1)
	r := t.Job.Request
	for i := range r.N {
		for step := range r.Steps {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(f.step):
			}
			f.steps.Add(1)
			t.Step(step+1, r.Steps, i, 1)
			if t.Interrupted() {
				break
			}
			switch r.Prompt {
			case "panic":
				panic("on purpose")
			case "memory":
				return fault.Memoryf("it wants 99 GB")
			case "nan":
				return fault.NaNf("step 1: the prediction is not finite")
			case "secret":
				return errors.New("open /secret/path: no such file")
			}
		}
		if err := t.Picture(ctx, job.Image{Index: i, Seed: r.Seed + int64(i), Media: "image/png"}, []byte(r.Prompt)); err != nil {
			return err
		}
		if t.Interrupted() {
			break
		}
	}
	return nil
}

type setup struct {
	*worker.Worker
	fake *fake
	stop context.CancelFunc
	done chan struct{}
}

func start(t *testing.T, change func(w *worker.Worker)) *setup {
	t.Helper()
	s, err := sqlite.Open(t.TempDir(), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{step: 2 * time.Millisecond}
	w := &worker.Worker{
		Name: "w", Store: s, Blobs: &store.Files{Dir: t.TempDir()}, Bus: bus.Bus{Transport: &bus.Local{}}, Runner: f,
		Alive: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler), MaxRows: 4, Grace: 5 * time.Second,
	}
	if change != nil {
		change(w)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		s.Close()
	})
	return &setup{w, f, stop, done}
}

func (s *setup) accept(t *testing.T, change func(j *job.Job)) job.Job {
	t.Helper()
	j := storetest.New("k")
	if change != nil {
		change(&j)
	}
	j, err := s.Store.Accept(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// until waits for a status.
func (s *setup) until(t *testing.T, id string, want job.Status) job.Job {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		j, err := s.Store.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.Status == want {
			return j
		}
		if j.Status.Final() || time.Now().After(end) {
			t.Fatalf("the job is %s (%+v), want %s", j.Status, j.Error, want)
		}
	}
}

// TestRun: a job's events come in order, its pictures are kept, jobs of one class
// run together and others wait.
func TestRun(t *testing.T) {
	s := start(t, nil)
	first := s.accept(t, func(j *job.Job) { j.Request.Steps = 100 })
	s.until(t, first.ID, job.Running)
	j := storetest.New("k")
	j.Request.N, j.Request.Seed = 2, 40
	var mu sync.Mutex
	var kinds []bus.Kind
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.Bus.Follow(ctx, j.ID, func(e bus.Event) {
		mu.Lock()
		kinds = append(kinds, e.Kind)
		mu.Unlock()
	})
	if _, err := s.Store.Accept(ctx, j); err != nil {
		t.Fatal(err)
	}
	together := s.accept(t, nil)
	got := s.until(t, j.ID, job.Succeeded)
	s.until(t, together.ID, job.Succeeded)
	if len(got.Images) != 2 || got.Images[1].Seed != 41 || got.Images[1].Bytes == 0 {
		t.Errorf("images %+v", got.Images)
	}
	data, err := s.Blobs.Get(ctx, j.ID, worker.BlobName(1))
	if err != nil || string(data) != got.Request.Prompt {
		t.Errorf("picture %q, error %v", data, err)
	}
	if s.fake.most.Load() != 2 {
		t.Errorf("%d jobs ran at once, want 2", s.fake.most.Load())
	}
	time.Sleep(20 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	if len(kinds) < 5 || kinds[0] != bus.KindStatus || kinds[len(kinds)-1] != bus.KindStatus || kinds[len(kinds)-2] != bus.KindImage {
		t.Errorf("events %v", kinds)
	}
}

// TestFailures: each is told by name, and none tells what is the server's own.
func TestFailures(t *testing.T) {
	s := start(t, func(w *worker.Worker) { w.Timeout = 300 * time.Millisecond })
	for prompt, want := range map[string]job.Error{
		"panic":  {Code: job.InternalError, Message: "internal error; the server's log says more"},
		"secret": {Code: job.InternalError, Message: "internal error; the server's log says more"},
		"memory": {Code: job.OutOfMemory, Message: "it wants 99 GB"},
		"nan":    {Code: job.NaN, Message: "the model's prediction is not a number"},
		"slow":   {Code: job.Timeout, Message: "the job ran longer than is allowed"},
	} {
		j := s.accept(t, func(j *job.Job) {
			j.Request.Prompt = prompt
			if prompt == "slow" {
				j.Request.Steps = 10000
			}
		})
		if got := s.until(t, j.ID, job.Failed); *got.Error != want {
			t.Errorf("%s: %+v, want %+v", prompt, *got.Error, want)
		}
	}
}

// TestCancel: a running job stops within a few steps, and the one beside it goes on.
func TestCancel(t *testing.T) {
	s := start(t, nil)
	long := func(j *job.Job) { j.Request.Steps = 400 }
	a := s.accept(t, long)
	s.until(t, a.ID, job.Running)
	b := s.accept(t, long)
	if _, err := s.Store.Cancel(context.Background(), a.ID); err != nil {
		t.Fatal(err)
	}
	s.until(t, b.ID, job.Running) // b was not in the batch: it starts when a has stopped
	if n := s.fake.steps.Load(); n > 200 {
		t.Errorf("%d steps of 400 were done of a cancelled job", n)
	}
	s.Bus.Send(b.ID, bus.Event{Kind: bus.KindInterrupt})
	if got := s.until(t, b.ID, job.Succeeded); len(got.Images) != 1 {
		t.Errorf("interrupted with %d pictures, want the one in work", len(got.Images))
	}
}

// TestDrain: after the end of its context a worker finishes what it can in time,
// and gives the rest back.
func TestDrain(t *testing.T) {
	s := start(t, func(w *worker.Worker) { w.Grace = 200 * time.Millisecond })
	short := s.accept(t, func(j *job.Job) { j.Request.Steps = 20 })
	s.until(t, short.ID, job.Running)
	s.stop()
	<-s.done
	s.until(t, short.ID, job.Succeeded)

	s = start(t, func(w *worker.Worker) { w.Grace = 50 * time.Millisecond })
	long := s.accept(t, func(j *job.Job) { j.Request.Steps = 10000 })
	s.until(t, long.ID, job.Running)
	s.stop()
	<-s.done
	if got := s.until(t, long.ID, job.Queued); got.Attempts != 0 {
		t.Errorf("%d attempts counted", got.Attempts)
	}
}

// TestOtherModels are left to the workers that have them.
func TestOtherModels(t *testing.T) {
	s := start(t, nil)
	other := s.accept(t, func(j *job.Job) { j.Request.Model = "x" })
	mine := s.accept(t, nil)
	s.until(t, mine.ID, job.Succeeded)
	s.until(t, other.ID, job.Queued)
}
