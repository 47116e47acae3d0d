// Package nats keeps jobs in NATS JetStream, for any number of API servers and
// workers on any number of machines.
//
// A key-value bucket holds the record of every job and is the truth; every
// change is a compare-and-set at the revision that was read, so that of two
// processes one wins. A stream holds a token for every waiting job: its limit of
// messages bounds the queue over all servers. (A limit on the bucket itself
// would refuse changes of the jobs that are in it, too.) Pictures are in an
// object store.
package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Names of what is kept in JetStream, and of the subjects.
const (
	tokenStream  = "LDM_JOBS"
	tokenSubject = "ldm.jobs."
	stateBucket  = "LDM_STATE"
	aliveBucket  = "LDM_ALIVE"
	blobBucket   = "LDM_BLOBS"
	eventSubject = "ldm.events."
)

// Options of a store. All processes of a cluster use the same.
type Options struct {
	Limit    int           // jobs that may wait
	Replicas int           // of everything that is kept; < 1: as many as the cluster has servers, at most 3
	Keep     time.Duration // how long a record stays after its last change; 0: for ever
	Presence time.Duration // how long a member counts as alive after it was last heard; 0: 15 s
}

// Store is a store.Store; Blobs is the store of its pictures.
type Store struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	state  jetstream.KeyValue
	alive  jetstream.KeyValue
	blobs  jetstream.ObjectStore
	cancel context.CancelFunc
	mirror
	store.Broadcast
}

// Open connects and makes what is not there yet.
func Open(ctx context.Context, conn *nats.Conn, o Options) (*Store, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	if o.Replicas < 1 {
		o.Replicas = 1
		if servers := len(conn.DiscoveredServers()); servers >= 3 {
			o.Replicas = 3
		}
	}
	if o.Presence == 0 {
		o.Presence = 15 * time.Second
	}
	s := &Store{conn: conn, js: js, mirror: mirror{jobs: map[string]entry{}}}
	if err := s.create(ctx, o); err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	background, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if err := s.follow(ctx, background); err != nil {
		cancel()
		return nil, fmt.Errorf("NATS: %w", err)
	}
	return s, nil
}

func (s *Store) create(ctx context.Context, o Options) (err error) {
	_, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: tokenStream, Subjects: []string{tokenSubject + "*"}, MaxMsgs: int64(o.Limit), MaxMsgsPerSubject: 1,
		Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage, Replicas: o.Replicas,
	})
	if err != nil {
		return err
	}
	if s.state, err = s.bucket(ctx, stateBucket, o.Replicas, o.Keep); err != nil {
		return err
	}
	if s.alive, err = s.bucket(ctx, aliveBucket, o.Replicas, o.Presence); err != nil {
		return err
	}
	s.blobs, err = s.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: blobBucket, TTL: o.Keep, Storage: jetstream.FileStorage, Replicas: o.Replicas,
	})
	return err
}

// bucket makes a key-value bucket whose reads go to the leader: those of a
// follower may be older than what another server has just told a client.
func (s *Store) bucket(ctx context.Context, name string, replicas int, ttl time.Duration) (jetstream.KeyValue, error) {
	_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, MaxMsgsPerSubject: 1, MaxAge: ttl,
		Discard: jetstream.DiscardNew, DenyDelete: true, AllowRollup: true, Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return nil, err
	}
	return s.js.KeyValue(ctx, name)
}

// Close implements store.Store. The connection is the caller's.
func (s *Store) Close() error {
	s.cancel()
	return nil
}

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context) <-chan struct{} { return s.Receive(ctx) }

// entry is a job as it was at a revision.
type entry struct {
	job      job.Job
	revision uint64
	gone     bool
}

// mirror is this process's copy of the bucket, kept up to date by a watch. It
// serves lists; what decides is read from the leader.
type mirror struct {
	mu   sync.Mutex
	jobs map[string]entry
}

// set takes an entry over if it is newer.
func (m *mirror) set(id string, e entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.revision > m.jobs[id].revision {
		m.jobs[id] = e
	}
}

// all returns the jobs in no order.
func (m *mirror) all() []job.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := make([]job.Job, 0, len(m.jobs))
	for _, e := range m.jobs {
		if !e.gone {
			jobs = append(jobs, e.job)
		}
	}
	return jobs
}

// follow keeps the mirror up to date; it returns when all that is there was read.
func (s *Store) follow(ctx, background context.Context) error {
	watch, err := s.state.Watch(background, stateKey("*"))
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	go func() {
		defer watch.Stop()
		for update := range watch.Updates() {
			if update == nil {
				close(ready)
				continue
			}
			s.observe(update)
			s.Send()
		}
	}()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// observe takes a change over. Of a deleted job only its revision stays, so that
// an older change that comes late does not bring it back.
func (s *Store) observe(update jetstream.KeyValueEntry) {
	e := entry{revision: update.Revision(), gone: update.Operation() != jetstream.KeyValuePut}
	if !e.gone && json.Unmarshal(update.Value(), &e.job) != nil {
		return
	}
	s.set(strings.TrimPrefix(update.Key(), stateKey("")), e)
}

// stateKey is the key of a job in the bucket.
func stateKey(id string) string { return "job." + id }
