package store

import (
	"context"
	"sync"
)

// Broadcast tells any number of receivers that something changed. Several
// changes may become one.
type Broadcast struct {
	mu        sync.Mutex
	receivers map[chan struct{}]bool
}

// Send tells all receivers.
func (b *Broadcast) Send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.receivers {
		select {
		case c <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// Receive returns a channel that is told of every change until ctx ends.
func (b *Broadcast) Receive(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	if b.receivers == nil {
		b.receivers = map[chan struct{}]bool{}
	}
	b.receivers[c] = true
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		delete(b.receivers, c)
		b.mu.Unlock()
		close(c)
	})
	return c
}
