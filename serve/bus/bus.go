// Package bus carries what is worth knowing only while a job runs, between the
// worker that runs it and the servers whose clients follow it: progress,
// previews, finished pictures, and the wish to stop. Nothing on it is kept; what
// must not be lost is in the store.
package bus

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ldm-go/ldm/serve/job"
)

// Event is one message about a job; the fields of its kind are set.
type Event struct {
	Kind     Kind        `json:"kind"`
	Progress *Progress   `json:"progress,omitempty"`
	Preview  *Preview    `json:"preview,omitempty"`
	Image    *job.Image  `json:"image,omitempty"`
	Status   *job.Status `json:"status,omitempty"`
}

// Kind is what an event is about.
type Kind string

// The kinds of events. The first four come from the worker, the others go to it.
const (
	KindProgress  Kind = "progress"
	KindPreview   Kind = "preview"
	KindImage     Kind = "image"
	KindStatus    Kind = "status"
	KindInterrupt Kind = "interrupt" // end with the pictures as far as they are
	KindSkip      Kind = "skip"      // end the picture in work as it is, and go on with the next
	KindLook      Kind = "look"      // somebody wants to see previews for a while
	KindRescan    Kind = "rescan"    // look at the folders of models again; of no job
)

// Progress is how far a job is.
type Progress struct {
	Step     int     `json:"step"` // of the pictures in work
	Steps    int     `json:"steps"`
	Image    int     `json:"image"` // the first picture in work, from 0
	Images   int     `json:"images"`
	Together int     `json:"together"` // pictures in work; < 1: one
	Left     float64 `json:"left"`     // seconds, or negative where it is not known
}

// Fraction is the part of the job that is done.
func (p Progress) Fraction() float64 {
	if p.Steps == 0 || p.Images == 0 {
		return 0
	}
	done := float64(max(p.Together, 1)) * float64(p.Step) / float64(p.Steps)
	return min((float64(p.Image)+done)/float64(p.Images), 1)
}

// Preview is the picture that is predicted at a step.
type Preview struct {
	Image int    `json:"image"`
	Step  int    `json:"step"`
	Whole bool   `json:"whole,omitempty"` // of the picture's size, for a client that counts them: none is left out
	Media string `json:"media"`
	Data  []byte `json:"data"`
}

// Transport sends bytes about a job to all who follow it now.
type Transport interface {
	Publish(id string, event []byte) error
	Subscribe(ctx context.Context, id string, receive func(event []byte)) error
}

// Bus sends events over a transport.
type Bus struct{ Transport Transport }

// Send sends an event of a job. A transport that fails loses it.
func (b Bus) Send(id string, e Event) {
	if data, err := json.Marshal(e); err == nil {
		b.Transport.Publish(id, data)
	}
}

// Follow receives the events of a job from now until ctx ends. receive must not
// block.
func (b Bus) Follow(ctx context.Context, id string, receive func(Event)) error {
	return b.Transport.Subscribe(ctx, id, func(data []byte) {
		var e Event
		if json.Unmarshal(data, &e) == nil {
			receive(e)
		}
	})
}

// Local is a transport inside one process.
type Local struct {
	mu        sync.Mutex
	followers map[string]map[*follower]bool
}

type follower struct{ receive func([]byte) }

// Publish implements Transport.
func (l *Local) Publish(id string, event []byte) error {
	l.mu.Lock()
	all := make([]*follower, 0, len(l.followers[id]))
	for f := range l.followers[id] {
		all = append(all, f)
	}
	l.mu.Unlock()
	for _, f := range all {
		f.receive(event)
	}
	return nil
}

// Subscribe implements Transport.
func (l *Local) Subscribe(ctx context.Context, id string, receive func([]byte)) error {
	f := &follower{receive}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers == nil {
		l.followers = map[string]map[*follower]bool{}
	}
	if l.followers[id] == nil {
		l.followers[id] = map[*follower]bool{}
	}
	l.followers[id][f] = true
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.followers[id], f)
		if len(l.followers[id]) == 0 {
			delete(l.followers, id)
		}
	})
	return nil
}
