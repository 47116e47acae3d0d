package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// change runs a transaction and tells the receivers if it was carried out.
func (s *Store) change(ctx context.Context, do func(tx querier) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return known(err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return known(err)
	}
	s.Send()
	return nil
}

// Accept implements store.Store.
func (s *Store) Accept(ctx context.Context, j job.Job) (accepted job.Job, err error) {
	accepted = j
	err = s.change(ctx, func(tx querier) error {
		if j.Idempotent != "" {
			same, err := get(ctx, tx, "key = ? AND idem = ?", j.Key, j.Idempotent)
			switch {
			case err == nil && same.Digest != j.Digest:
				return store.ErrConflict
			case err == nil:
				accepted = same
				return nil
			case !errors.Is(err, store.ErrNotFound):
				return err
			}
		}
		var waiting int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM jobs WHERE status = ?", string(job.Queued)).Scan(&waiting); err != nil {
			return known(err)
		}
		if waiting >= s.limit {
			return store.ErrFull
		}
		return put(ctx, tx, j)
	})
	if err != nil || j.Attached != "" { // the client who waits is gone with the machine
		return accepted, err
	}
	if err := s.log.Flush(); err != nil {
		s.forget(context.WithoutCancel(ctx), j.ID)
		return accepted, fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return accepted, nil
}

// forget removes a job, whatever it does.
func (s *Store) forget(ctx context.Context, id string) error {
	return s.change(ctx, func(tx querier) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = ?", id)
		return known(err)
	})
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, id string) (job.Job, error) {
	return get(ctx, s.read, "id = ?", id)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) ([]job.Job, bool, error) {
	limit := q.Limit
	if limit < 1 {
		limit = 20
	}
	jobs, err := all(ctx, s.read, `SELECT body FROM jobs WHERE (? OR key = ?) AND (? = '' OR status = ?) AND (? = '' OR family = ?)
		AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?`,
		q.AnyKey, q.Key, string(q.Status), string(q.Status), string(q.Family), string(q.Family), q.After, q.After, limit+1)
	if len(jobs) > limit {
		return jobs[:limit], true, err
	}
	return jobs, false, err
}

// Waiting implements store.Store.
func (s *Store) Waiting(ctx context.Context) ([]job.Job, error) {
	return all(ctx, s.read, "SELECT body FROM jobs WHERE status = ? ORDER BY created, id", string(job.Queued))
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, id, worker string, until time.Time) (claimed job.Job, err error) {
	err = s.change(ctx, func(tx querier) error {
		j, err := get(ctx, tx, "id = ?", id)
		if errors.Is(err, store.ErrNotFound) || err == nil && j.Status != job.Queued {
			return store.ErrTaken
		}
		if err != nil {
			return err
		}
		j.Claim(worker, until, time.Now().UTC())
		claimed = j
		return put(ctx, tx, j)
	})
	return claimed, err
}

// own changes a job that a worker runs.
func (s *Store) own(ctx context.Context, id, worker string, do func(j *job.Job)) error {
	return s.change(ctx, func(tx querier) error {
		j, err := get(ctx, tx, "id = ?", id)
		if errors.Is(err, store.ErrNotFound) || err == nil && (j.Status != job.Running || j.Worker != worker) {
			return store.ErrTaken
		}
		if err != nil {
			return err
		}
		do(&j)
		return put(ctx, tx, j)
	})
}

// Renew implements store.Store.
func (s *Store) Renew(ctx context.Context, id, worker string, until time.Time) error {
	return s.own(ctx, id, worker, func(j *job.Job) { j.Lease = until.UTC() })
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, j job.Job) error {
	err := s.own(ctx, j.ID, j.Worker, func(stored *job.Job) {
		j.Lease = stored.Lease
		*stored = j
	})
	if err == nil && j.Status.Final() {
		s.log.start() // nobody waits for it
	}
	return err
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, id, worker string) error {
	return s.own(ctx, id, worker, (*job.Job).Release)
}

// Cancel implements store.Store.
func (s *Store) Cancel(ctx context.Context, id string) (cancelled job.Job, err error) {
	err = s.change(ctx, func(tx querier) error {
		j, err := get(ctx, tx, "id = ?", id)
		if err != nil {
			return err
		}
		if !j.Status.Final() {
			j.Status, j.Finished = job.Cancelled, time.Now().UTC()
			err = put(ctx, tx, j)
		}
		cancelled = j
		return err
	})
	if err == nil && cancelled.Attached == "" {
		err = s.log.Flush()
	}
	return cancelled, err
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, id string) error {
	err := s.change(ctx, func(tx querier) error {
		j, err := get(ctx, tx, "id = ?", id)
		if err != nil {
			return err
		}
		if !j.Status.Final() {
			return store.ErrActive
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = ?", id)
		return known(err)
	})
	if err != nil {
		return err
	}
	return s.log.Flush() // before its pictures go
}

// Reap implements store.Store.
func (s *Store) Reap(ctx context.Context, now time.Time, alive func(owner string) bool) error {
	jobs, err := all(ctx, s.read, "SELECT body FROM jobs WHERE status IN (?, ?)", string(job.Queued), string(job.Running))
	if err != nil {
		return err
	}
	for _, seen := range jobs {
		if !seen.Lapsed(now, alive) {
			continue
		}
		err := s.change(ctx, func(tx querier) error {
			j, err := get(ctx, tx, "id = ?", seen.ID)
			if err != nil || !j.Lapsed(now, alive) { // it was renewed or ended in between
				return err
			}
			j.Lapse(time.Now().UTC(), alive)
			return put(ctx, tx, j)
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}
