package nats

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// wrongRevision tells whether another process was faster.
func wrongRevision(err error) bool {
	const constant = 10164 // the same refusal, where the server keeps the expected number out of its text
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == constant)
}

// outage is how long a cluster may be without a leader before calls fail.
const outage = 30 * time.Second

// passing tells whether an error is that of a cluster that chooses a new leader.
// The call may have been carried out all the same.
func passing(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == 503 && api.ErrorCode != tokenLimit ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrDisconnected)
}

// try does a call again while the cluster has no leader.
func try(ctx context.Context, call func(ctx context.Context) error) error {
	end := time.Now().Add(outage)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		one, stop := context.WithTimeout(ctx, 5*time.Second)
		err := call(one)
		stop()
		if err == nil || !passing(err) || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
