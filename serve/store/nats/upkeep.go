package nats

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Reap implements store.Store. It also gives back the tokens of processes that
// died before they made the job.
func (s *Store) Reap(ctx context.Context, now time.Time, alive func(owner string) bool) error {
	var errs []error
	for _, seen := range s.all() {
		if !seen.Lapsed(now, alive) {
			continue
		}
		_, err := s.change(ctx, seen.ID, func(j *job.Job) error {
			if !j.Lapsed(now, alive) {
				return store.ErrTaken
			}
			j.Lapse(time.Now().UTC(), alive)
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrTaken) && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.reapTokens(ctx))...)
}

func (s *Store) reapTokens(ctx context.Context) error {
	stream, err := s.js.Stream(ctx, tokenStream)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(tokenSubject+"*"))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		id := strings.TrimPrefix(subject, tokenSubject)
		if time.Since(job.Created(id)) < settling {
			continue
		}
		j, err := s.Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && j.Status != job.Queued {
			err = s.dropToken(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Announce says that a member of the cluster is alive, and what there is to
// know about it. It is to be repeated well within Options.Presence.
func (s *Store) Announce(ctx context.Context, member string, about []byte) error {
	_, err := s.alive.Put(ctx, member, about)
	return err
}

// Leave says that a member is gone.
func (s *Store) Leave(ctx context.Context, member string) error { return s.alive.Purge(ctx, member) }

// Members returns what is known of the members that are alive.
func (s *Store) Members(ctx context.Context) (map[string][]byte, error) {
	keys, err := s.alive.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	members := map[string][]byte{}
	for _, key := range keys {
		if e, err := s.alive.Get(ctx, key); err == nil {
			members[key] = e.Value()
		}
	}
	return members, err
}

// Publish sends an event of a job to whoever follows it now; it is not kept.
func (s *Store) Publish(id string, event []byte) error { return s.conn.Publish(eventSubject+id, event) }

// Subscribe receives the events of a job until ctx ends.
func (s *Store) Subscribe(ctx context.Context, id string, receive func(event []byte)) error {
	sub, err := s.conn.Subscribe(eventSubject+id, func(m *nats.Msg) { receive(m.Data) })
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { sub.Unsubscribe() })
	return s.conn.Flush()
}
