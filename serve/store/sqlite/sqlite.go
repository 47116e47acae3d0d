// Package sqlite keeps jobs in a SQLite database in a folder, with a write-ahead log:
// what was committed survives the end of the process at any moment, and a full disk
// is an error that passes by itself. Against the loss of power the log is put on the
// disk before a job counts as accepted, once for all that are accepted at that time;
// what happens to a job later can be done again, and follows within a moment.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// version is that of the schema.
const version = 1

const schema = `
CREATE TABLE jobs (
	id      TEXT PRIMARY KEY,
	key     TEXT NOT NULL,
	idem    TEXT NOT NULL,
	status  TEXT NOT NULL,
	family  TEXT NOT NULL,
	created INTEGER NOT NULL,
	lease   INTEGER NOT NULL,
	body    BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_idem ON jobs (key, idem) WHERE idem != '';
CREATE INDEX jobs_status ON jobs (status, created);
PRAGMA user_version = 1;
`

// Store is a store.Store. The folder belongs to one process at a time.
type Store struct {
	write *sql.DB // one connection
	read  *sql.DB
	lock  *flock.Flock
	limit int
	log   flusher
	store.Broadcast
}

// Whole tells whether all pictures of a job are there.
type Whole func(ctx context.Context, j job.Job) bool

// Open opens or makes the database in a folder. At most limit jobs wait. Jobs
// that were running when the last process ended go back to the queue, and those
// that a client waited for are cancelled. So it is with jobs that ended last, whose
// pictures were lost with the power; a nil whole finds none of those.
func Open(dir string, limit int, whole Whole) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s is in use by another server", dir)
	}
	s := &Store{lock: lock, limit: limit}
	err = s.open(filepath.Join(dir, "jobs.sqlite"))
	if err == nil && whole != nil {
		err = s.redo(context.Background(), whole)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open(path string) (err error) {
	uri := "file:" + escape(path) + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)&_txlock=immediate"
	if s.write, err = sql.Open("sqlite", uri); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", uri); err != nil {
		return err
	}
	var have int
	if err := s.write.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	switch have {
	case 0:
		if _, err := s.write.Exec("BEGIN;" + schema + "COMMIT;"); err != nil {
			return err
		}
	case version:
	default:
		return fmt.Errorf("the database has version %d, this program knows %d", have, version)
	}
	s.log.path = path + "-wal"
	end := time.Unix(1<<40, 0)
	return s.Reap(context.Background(), end, func(string) bool { return false })
}

// escape keeps characters of a path that mean something in a URI from doing so.
func escape(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// Close implements store.Store.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context) <-chan struct{} { return s.Receive(ctx) }

// known gives errors of the database their names.
func known(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_FULL || e.Code()&0xff == sqlite3.SQLITE_IOERR) {
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func get(ctx context.Context, q querier, where string, args ...any) (j job.Job, err error) {
	var body []byte
	if err = q.QueryRowContext(ctx, "SELECT body FROM jobs WHERE "+where, args...).Scan(&body); err != nil {
		return j, known(err)
	}
	return j, json.Unmarshal(body, &j)
}

func all(ctx context.Context, q querier, query string, args ...any) (jobs []job.Job, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, known(err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var j job.Job
		if err := rows.Scan(&body); err != nil {
			return nil, known(err)
		}
		if err := json.Unmarshal(body, &j); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, known(rows.Err())
}

func put(ctx context.Context, q querier, j job.Job) error {
	body, err := json.Marshal(j)
	if err != nil {
		return err
	}
	lease := int64(0)
	if !j.Lease.IsZero() {
		lease = j.Lease.UnixMilli()
	}
	_, err = q.ExecContext(ctx, `INSERT INTO jobs (id, key, idem, status, family, created, lease, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, lease = excluded.lease, body = excluded.body`,
		j.ID, j.Key, j.Idempotent, string(j.Status), string(j.Family), j.Created.UnixMilli(), lease, body)
	return known(err)
}
