// Package storetest is what every store of jobs must do, as tests.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Limit is how many jobs may wait in the stores under test.
const Limit = 5

// Run tests stores; each call of open returns an empty one for Limit waiting jobs.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"life", life}, {"full", full}, {"idempotency", idempotency}, {"claims are exclusive", claims},
		{"lease", lease}, {"poison", poison}, {"attached", attached}, {"cancel", cancel}, {"list", list}, {"changes", changes},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var background = context.Background()

// New is a job as a server would accept it.
func New(key string) job.Job {
	now := time.Now().UTC()
	return job.Job{ID: job.NewID(now), Key: key, Family: job.Jobs, Status: job.Queued, Created: now,
		Request: job.Request{Type: job.TextToImage, Model: "m", Prompt: "ein Köter \"x\"\n", N: 1, Width: 64, Height: 64, Steps: 10, CFGScale: 5, Priority: job.Normal}}
}

func accept(t *testing.T, s store.Store, j job.Job) job.Job {
	t.Helper()
	got, err := s.Accept(background, j)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func status(t *testing.T, s store.Store, id string, want job.Status) job.Job {
	t.Helper()
	j, err := s.Get(background, id)
	if err != nil {
		t.Fatal(err)
	}
	if j.Status != want {
		t.Errorf("the job is %s, want %s", j.Status, want)
	}
	return j
}

func soon() time.Time { return time.Now().Add(time.Minute) }

func life(t *testing.T, s store.Store) {
	j := accept(t, s, New("k"))
	waiting, err := s.Waiting(background)
	if err != nil || len(waiting) != 1 || waiting[0].Request.Prompt != j.Request.Prompt {
		t.Fatalf("waiting %v, error %v", waiting, err)
	}
	c, err := s.Claim(background, j.ID, "w", soon())
	if err != nil || c.Attempts != 1 || c.Status != job.Running || c.Started.IsZero() {
		t.Fatalf("claimed %+v, error %v", c, err)
	}
	if waiting, _ := s.Waiting(background); len(waiting) != 0 {
		t.Errorf("a claimed job waits: %v", waiting)
	}
	want(t, s.Delete(background, j.ID), store.ErrActive)
	c.Images = append(c.Images, job.Image{Seed: 7, SHA256: "x"})
	want(t, s.Save(background, c), nil)
	if got := status(t, s, j.ID, job.Running); len(got.Images) != 1 {
		t.Errorf("images %v", got.Images)
	}
	c.Status, c.Finished = job.Succeeded, time.Now().UTC()
	want(t, s.Save(background, c), nil)
	status(t, s, j.ID, job.Succeeded)
	want(t, s.Save(background, c), store.ErrTaken) // a second end does not count
	want(t, s.Delete(background, j.ID), nil)
	_, err = s.Get(background, j.ID)
	want(t, err, store.ErrNotFound)
	want(t, s.Delete(background, j.ID), store.ErrNotFound)
}

func full(t *testing.T, s store.Store) {
	var all []job.Job
	for range Limit {
		all = append(all, accept(t, s, New("k")))
	}
	_, err := s.Accept(background, New("k"))
	want(t, err, store.ErrFull)
	for _, id := range []string{all[0].ID, all[1].ID} { // running jobs do not wait
		if _, err := s.Claim(background, id, "w", soon()); err != nil {
			t.Fatal(err)
		}
	}
	accept(t, s, New("k"))
	accept(t, s, New("k"))
	_, err = s.Accept(background, New("k"))
	want(t, err, store.ErrFull)
	want(t, s.Renew(background, all[0].ID, "w", soon()), nil) // also while the queue is full
	if _, err := s.Cancel(background, all[2].ID); err != nil {
		t.Fatal(err)
	}
	accept(t, s, New("k"))
}

func idempotency(t *testing.T, s store.Store) {
	j := New("k")
	j.Idempotent, j.Digest = "once", "a"
	accept(t, s, j)
	again := New("k")
	again.Idempotent, again.Digest = "once", "a"
	if got := accept(t, s, again); got.ID != j.ID {
		t.Errorf("the same request made job %s and %s", j.ID, got.ID)
	}
	other := New("k")
	other.Idempotent, other.Digest = "once", "b"
	_, err := s.Accept(background, other)
	want(t, err, store.ErrConflict)
	stranger := New("x")
	stranger.Idempotent, stranger.Digest = "once", "b"
	if got := accept(t, s, stranger); got.ID != stranger.ID {
		t.Error("an idempotency key counts for another API key")
	}
}

func claims(t *testing.T, s store.Store) {
	j := accept(t, s, New("k"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			_, err := s.Claim(background, j.ID, fmt.Sprint("w", i), soon())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d workers claimed one job", won)
	}
	_, err := s.Claim(background, New("k").ID, "w", soon())
	want(t, err, store.ErrTaken)
}

func all(string) bool  { return true }
func none(string) bool { return false }

func lease(t *testing.T, s store.Store) {
	j := accept(t, s, New("k"))
	c, err := s.Claim(background, j.ID, "dead", time.Now().Add(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	want(t, s.Reap(background, time.Now().Add(-time.Second), all), nil)
	status(t, s, j.ID, job.Running)
	want(t, s.Renew(background, j.ID, "other", soon()), store.ErrTaken)
	want(t, s.Reap(background, time.Now().Add(time.Second), all), nil)
	status(t, s, j.ID, job.Queued)
	c.Status = job.Succeeded
	want(t, s.Save(background, c), store.ErrTaken) // the dead worker comes back too late
	if c, err = s.Claim(background, j.ID, "alive", soon()); err != nil || c.Attempts != 2 {
		t.Fatalf("claimed %+v, error %v", c, err)
	}
	want(t, s.Release(background, j.ID, "alive"), nil)
	if got := status(t, s, j.ID, job.Queued); got.Attempts != 1 {
		t.Errorf("%d attempts after a release, want 1", got.Attempts)
	}
}

func poison(t *testing.T, s store.Store) {
	j := accept(t, s, New("k"))
	for range job.MaxAttempts {
		status(t, s, j.ID, job.Queued)
		if _, err := s.Claim(background, j.ID, "w", time.Now()); err != nil {
			t.Fatal(err)
		}
		want(t, s.Reap(background, time.Now().Add(time.Second), all), nil)
	}
	if got := status(t, s, j.ID, job.Failed); got.Error == nil || got.Error.Code != job.WorkerLost {
		t.Errorf("failed with %+v", got.Error)
	}
}

func attached(t *testing.T, s store.Store) {
	j := New("k")
	j.Attached = "server"
	accept(t, s, j)
	free := accept(t, s, New("k"))
	want(t, s.Reap(background, time.Now(), all), nil)
	status(t, s, j.ID, job.Queued)
	want(t, s.Reap(background, time.Now(), none), nil)
	status(t, s, j.ID, job.Cancelled)
	status(t, s, free.ID, job.Queued)
}

func cancel(t *testing.T, s store.Store) {
	j := accept(t, s, New("k"))
	c, err := s.Claim(background, j.ID, "w", soon())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Cancel(background, j.ID)
	if err != nil || got.Status != job.Cancelled {
		t.Errorf("%+v, error %v", got, err)
	}
	want(t, s.Renew(background, j.ID, "w", soon()), store.ErrTaken)
	c.Status = job.Succeeded
	want(t, s.Save(background, c), store.ErrTaken)
	if again, err := s.Cancel(background, j.ID); err != nil || again.Status != job.Cancelled {
		t.Errorf("%+v, error %v", again, err)
	}
	_, err = s.Cancel(background, New("k").ID)
	want(t, err, store.ErrNotFound)
}

func list(t *testing.T, s store.Store) {
	var ids []string
	for i := range Limit {
		j := New([]string{"a", "b"}[i%2])
		j.Created = j.Created.Add(time.Duration(i) * 10 * time.Millisecond)
		j.ID = job.NewID(j.Created)
		ids = append([]string{accept(t, s, j).ID}, ids...)
	}
	if _, err := s.Cancel(background, ids[0]); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query store.Query
		ids   []string
		more  bool
	}{
		{store.Query{AnyKey: true}, ids, false},
		{store.Query{Key: "a"}, []string{ids[0], ids[2], ids[4]}, false},
		{store.Query{Key: "c"}, nil, false},
		{store.Query{AnyKey: true, Limit: 2}, ids[:2], true},
		{store.Query{AnyKey: true, Limit: 2, After: ids[1]}, ids[2:4], true},
		{store.Query{AnyKey: true, Limit: 2, After: ids[3]}, ids[4:], false},
		{store.Query{AnyKey: true, Status: job.Cancelled}, ids[:1], false},
		{store.Query{AnyKey: true, Family: job.A1111}, nil, false},
	} {
		got, more, err := s.List(background, c.query)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, j := range got {
			have = append(have, j.ID)
		}
		if fmt.Sprint(have) != fmt.Sprint(c.ids) || more != c.more {
			t.Errorf("%+v: %v, more %v; want %v, more %v", c.query, have, more, c.ids, c.more)
		}
	}
}

func changes(t *testing.T, s store.Store) {
	ctx, stop := context.WithCancel(background)
	told := s.Changes(ctx)
	j := accept(t, s, New("k"))
	expect := func(what string) {
		t.Helper()
		select {
		case _, open := <-told:
			if !open {
				t.Fatal("the channel was closed")
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: not told", what)
		}
	}
	expect("accepted")
	if _, err := s.Cancel(background, j.ID); err != nil {
		t.Fatal(err)
	}
	expect("cancelled")
	stop()
	for range told { // until it is closed
	}
}

// RunBlobs tests a store of blobs.
func RunBlobs(t *testing.T, b store.Blobs) {
	j, k := New("k").ID, New("k").ID
	big := make([]byte, 3<<20) // more than a message of NATS may hold
	for i := range big {
		big[i] = byte(i >> 7)
	}
	for _, c := range []struct {
		id, name string
		data     []byte
	}{{j, "init", big}, {j, "0.png", []byte("a")}, {k, "0.png", []byte("b")}, {j, "0.png", []byte("new")}} {
		if err := b.Put(background, c.id, c.name, c.data); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Get(background, c.id, c.name); err != nil || !bytes.Equal(got, c.data) {
			t.Errorf("%s/%s: %d bytes, error %v", c.id, c.name, len(got), err)
		}
	}
	if err := b.Write(background, k, "written", []byte("w")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(background, k, "written"); err != nil || string(got) != "w" {
		t.Errorf("a blob that was written: %q, error %v", got, err)
	}
	if _, err := b.Get(background, k, "1.png"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a blob that is not there: error %v", err)
	}
	sizes, err := b.Sizes(background)
	if err != nil || sizes[j] != int64(len(big)+3) || sizes[k] != 2 {
		t.Errorf("sizes %v, error %v", sizes, err)
	}
	if err := b.DeleteAll(background, j); err != nil {
		t.Fatal(err)
	}
	if sizes, err := b.Sizes(background); err != nil || len(sizes) != 1 {
		t.Errorf("sizes %v, error %v", sizes, err)
	}
}
