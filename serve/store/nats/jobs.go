package nats

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// tokenLimit is JetStream's code for a stream with as many messages as it may hold.
const tokenLimit = 10077

// settling is how old a token without a job, or an idempotency key without one,
// must be to be the trace of a process that died in between.
const settling = 30 * time.Second

// Accept implements store.Store: first the idempotency key, then a token, then
// the record, so that a process that dies on the way leaves nothing that runs.
func (s *Store) Accept(ctx context.Context, j job.Job) (job.Job, error) {
	if j.Idempotent != "" {
		same, found, err := s.reserve(ctx, j)
		if err != nil || found {
			return same, err
		}
	}
	if err := s.takeToken(ctx, j.ID); err != nil {
		s.unreserve(ctx, j)
		return j, err
	}
	data, err := json.Marshal(j)
	if err != nil {
		return j, err
	}
	revision, err := s.insert(ctx, stateKey(j.ID), data)
	if err != nil {
		s.dropToken(ctx, j.ID)
		s.unreserve(ctx, j)
		return j, err
	}
	s.set(j.ID, entry{job: j, revision: revision})
	return j, nil
}

// insert makes a key. A key that is there with the same value was made by this very
// call, whose answer was lost.
func (s *Store) insert(ctx context.Context, key string, data []byte) (revision uint64, err error) {
	err = try(ctx, func(ctx context.Context) (err error) {
		revision, err = s.state.Create(ctx, key, data)
		if !wrongRevision(err) {
			return err
		}
		have, getErr := s.state.Get(ctx, key)
		if getErr == nil && bytes.Equal(have.Value(), data) {
			revision, err = have.Revision(), nil
		}
		return err
	})
	return revision, err
}

// reservation is what an idempotency key stands for.
type reservation struct {
	ID     string    `json:"id"`
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

func idempotencyKey(j job.Job) string {
	sum := sha256.Sum256([]byte(j.Key + "\x00" + j.Idempotent))
	return "idem." + hex.EncodeToString(sum[:])
}

// reserve takes the idempotency key for j, or finds the job that has it.
func (s *Store) reserve(ctx context.Context, j job.Job) (same job.Job, found bool, err error) {
	data, err := json.Marshal(reservation{j.ID, j.Digest, time.Now().UTC()})
	if err != nil {
		return j, false, err
	}
	for {
		_, err = s.insert(ctx, idempotencyKey(j), data)
		if !wrongRevision(err) {
			return j, false, err
		}
		kept, err := s.state.Get(ctx, idempotencyKey(j))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return j, false, err
		}
		var r reservation
		if err := json.Unmarshal(kept.Value(), &r); err != nil {
			return j, false, err
		}
		if r.Digest != j.Digest {
			return j, false, store.ErrConflict
		}
		same, err = s.Get(ctx, r.ID)
		if !errors.Is(err, store.ErrNotFound) {
			return same, true, err
		}
		if time.Since(r.At) > settling { // its server died before it made the job
			_, err = s.state.Update(ctx, idempotencyKey(j), data, kept.Revision())
			if !wrongRevision(err) {
				return j, false, err
			}
		}
		select { // another server is about to make the job
		case <-ctx.Done():
			return j, false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Store) unreserve(ctx context.Context, j job.Job) {
	if j.Idempotent != "" {
		s.state.Purge(ctx, idempotencyKey(j))
	}
}

// takeToken makes room in the queue for a job.
func (s *Store) takeToken(ctx context.Context, id string) error {
	err := try(ctx, func(ctx context.Context) error { // the id keeps a second try from taking a second token
		_, err := s.js.Publish(ctx, tokenSubject+id, nil, jetstream.WithMsgID(id))
		return err
	})
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == tokenLimit {
		return store.ErrFull
	}
	return err
}

func (s *Store) dropToken(ctx context.Context, id string) error {
	return try(ctx, func(ctx context.Context) error {
		stream, err := s.js.Stream(ctx, tokenStream)
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(tokenSubject+id))
	})
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, id string) (job.Job, error) {
	j, _, err := s.get(ctx, id)
	return j, err
}

func (s *Store) get(ctx context.Context, id string) (j job.Job, revision uint64, err error) {
	if !job.ValidID(id) {
		return j, 0, store.ErrNotFound
	}
	var e jetstream.KeyValueEntry
	err = try(ctx, func(ctx context.Context) (err error) {
		e, err = s.state.Get(ctx, stateKey(id))
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return j, 0, store.ErrNotFound
	}
	if err != nil {
		return j, 0, err
	}
	return j, e.Revision(), json.Unmarshal(e.Value(), &j)
}

// change reads a job, changes it and writes it, again if another process was
// faster. The token goes when the job waits no longer.
func (s *Store) change(ctx context.Context, id string, do func(j *job.Job) error) (job.Job, error) {
	for {
		j, revision, err := s.get(ctx, id)
		if err != nil {
			return j, err
		}
		before := j.Status
		if err := do(&j); err != nil {
			return j, err
		}
		data, err := json.Marshal(j)
		if err != nil {
			return j, err
		}
		after, err := s.state.Update(ctx, stateKey(id), data, revision)
		if wrongRevision(err) || passing(err) && ctx.Err() == nil {
			continue // read again what there is now; reading waits for a leader
		}
		if err != nil {
			return j, err
		}
		s.set(id, entry{job: j, revision: after})
		switch {
		case before == job.Queued && j.Status != job.Queued:
			err = s.dropToken(ctx, id)
		case before != job.Queued && j.Status == job.Queued:
			if err = s.takeToken(ctx, id); errors.Is(err, store.ErrFull) {
				err = nil // it was accepted before: it waits beyond the limit
			}
		}
		return j, err
	}
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, id, worker string, until time.Time) (job.Job, error) {
	tried := false
	j, err := s.change(ctx, id, func(j *job.Job) error {
		switch {
		case j.Status == job.Queued:
			j.Claim(worker, until, time.Now())
		case !tried || j.Status != job.Running || j.Worker != worker: // else the answer was lost
			return store.ErrTaken
		}
		tried = true
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrTaken
	}
	return j, err
}

// own changes a job that a worker runs.
func (s *Store) own(ctx context.Context, id, worker string, do func(j *job.Job)) error {
	var written []byte // by this call, whose answer may have been lost
	_, err := s.change(ctx, id, func(j *job.Job) error {
		if have, err := json.Marshal(j); err == nil && written != nil && bytes.Equal(have, written) {
			return nil
		}
		if j.Status != job.Running || j.Worker != worker {
			return store.ErrTaken
		}
		do(j)
		var err error
		written, err = json.Marshal(j)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrTaken
	}
	return err
}

// Renew implements store.Store.
func (s *Store) Renew(ctx context.Context, id, worker string, until time.Time) error {
	return s.own(ctx, id, worker, func(j *job.Job) { j.Lease = until.UTC() })
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, j job.Job) error {
	return s.own(ctx, j.ID, j.Worker, func(stored *job.Job) {
		lease := stored.Lease
		*stored = j
		stored.Lease = lease
	})
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, id, worker string) error {
	return s.own(ctx, id, worker, (*job.Job).Release)
}

// Cancel implements store.Store.
func (s *Store) Cancel(ctx context.Context, id string) (job.Job, error) {
	errDone := errors.New("it has ended")
	j, err := s.change(ctx, id, func(j *job.Job) error {
		if j.Status.Final() {
			return errDone
		}
		j.Status, j.Finished = job.Cancelled, time.Now().UTC()
		return nil
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return j, err
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, id string) error {
	j, revision, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if !j.Status.Final() {
		return store.ErrActive
	}
	if err := s.state.Purge(ctx, stateKey(id), jetstream.LastRevision(revision)); err != nil {
		return err
	}
	s.set(id, entry{revision: revision + 1, gone: true})
	s.unreserve(ctx, j)
	return nil
}

// Waiting implements store.Store.
func (s *Store) Waiting(context.Context) ([]job.Job, error) {
	jobs := slices.DeleteFunc(s.all(), func(j job.Job) bool { return j.Status != job.Queued })
	slices.SortFunc(jobs, func(a, b job.Job) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return jobs, nil
}

// List implements store.Store.
func (s *Store) List(_ context.Context, q store.Query) (jobs []job.Job, more bool, err error) {
	limit := q.Limit
	if limit < 1 {
		limit = 20
	}
	jobs = slices.DeleteFunc(s.all(), func(j job.Job) bool {
		return !q.AnyKey && j.Key != q.Key || q.Status != "" && j.Status != q.Status || q.Family != "" && j.Family != q.Family ||
			q.After != "" && j.ID >= q.After
	})
	slices.SortFunc(jobs, func(a, b job.Job) int { return cmp.Compare(b.ID, a.ID) })
	if len(jobs) > limit {
		return jobs[:limit], true, nil
	}
	return jobs, false, nil
}
