package core

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
)

// Message is an event of a job with its number, from 1.
type Message struct {
	ID int
	bus.Event
}

// feedKept is how long a job's events are kept after its end.
const feedKept = time.Minute

// feedLimit is how many events of a job are kept.
const feedLimit = 20000

// Feed is the events of a job since this server began to follow it.
type Feed struct {
	mu       sync.Mutex
	messages []Message
	progress bus.Progress
	preview  *bus.Preview
	more     chan struct{} // closed when there is a new message
	stop     context.CancelFunc
}

// add is called by the bus.
func (f *Feed) add(e bus.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Progress != nil:
		f.progress = *e.Progress
	case e.Preview != nil:
		f.preview = e.Preview
		for i := len(f.messages) - 1; i >= 0; i-- { // of a picture's small previews only the newest is kept
			if p := f.messages[i].Preview; p != nil && !p.Whole && p.Image == e.Preview.Image {
				f.messages[i].Preview = nil
				break
			}
		}
	case e.Kind == bus.KindInterrupt || e.Kind == bus.KindSkip || e.Kind == bus.KindLook:
		return
	}
	id := 1
	if n := len(f.messages); n > 0 {
		id = f.messages[n-1].ID + 1
	}
	if f.messages = append(f.messages, Message{id, e}); len(f.messages) > feedLimit {
		f.messages = f.messages[len(f.messages)-feedLimit/2:]
	}
	close(f.more)
	f.more = make(chan struct{})
}

// After returns the messages behind number id, and a channel that is closed when
// there are more.
func (f *Feed) After(id int) ([]Message, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Message
	for _, m := range f.messages {
		if m.ID > id && (m.Kind != bus.KindPreview || m.Preview != nil) {
			list = append(list, m)
		}
	}
	return list, f.more
}

// Has tells whether a message has been of the picture with this index.
func (f *Feed) Has(image int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.messages, func(m Message) bool { return m.Image != nil && m.Image.Index == image })
}

// last is the number of the newest message.
func (f *Feed) last() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.messages); n > 0 {
		return f.messages[n-1].ID
	}
	return 0
}

// Progress is how far the job is, and its last preview, if there is one.
func (f *Feed) Progress() (bus.Progress, *bus.Preview) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.progress, f.preview
}

// feeds are those of the jobs that this server follows.
type feeds struct {
	mu  sync.Mutex
	all map[string]*Feed
}

// open follows a job from before it is accepted.
func (s *feeds) open(c *Core, j job.Job) *Feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.all[j.ID]; f != nil {
		return f
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &Feed{more: make(chan struct{}), stop: stop}
	f.progress = bus.Progress{Steps: j.Request.Steps, Images: j.Request.N, Left: -1}
	if s.all == nil {
		s.all = map[string]*Feed{}
	}
	s.all[j.ID] = f
	c.Bus.Follow(ctx, j.ID, func(e bus.Event) {
		f.add(e)
		if e.Status != nil && e.Status.Final() {
			time.AfterFunc(feedKept, func() { s.close(j.ID) })
		}
	})
	return f
}

func (s *feeds) close(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.all[id]; f != nil {
		f.stop()
		delete(s.all, id)
	}
}

// Feed returns the events of a job; of one that this server did not follow until
// now, those from now on, after what its record tells.
func (c *Core) Feed(j job.Job) *Feed {
	c.feeds.mu.Lock()
	f := c.feeds.all[j.ID]
	c.feeds.mu.Unlock()
	if f != nil {
		return f
	}
	f = c.feeds.open(c, j)
	if j.Status.Final() {
		time.AfterFunc(feedKept, func() { c.feeds.close(j.ID) })
	}
	f.add(bus.Event{Kind: bus.KindStatus, Status: &j.Status})
	for _, img := range j.Images {
		f.add(bus.Event{Kind: bus.KindImage, Image: &img})
	}
	return f
}

// Look asks the worker of a job for previews, for some seconds.
func (c *Core) Look(j job.Job) {
	if j.Request.PreviewEvery > 0 && !j.Status.Final() {
		c.Bus.Send(j.ID, bus.Event{Kind: bus.KindLook})
	}
}

// Seen is how far a job is, with its last preview. Where there is none yet, as nobody
// has looked before, it waits a moment for the first.
func (c *Core) Seen(ctx context.Context, j job.Job) (bus.Progress, *bus.Preview) {
	c.Look(j)
	p, preview := c.Progress(j)
	if preview != nil || j.Status != job.Running || j.Request.PreviewEvery == 0 {
		return p, preview
	}
	feed, end := c.Feed(j), time.After(firstPreview)
	for last := feed.last(); preview == nil; {
		messages, more := feed.After(last)
		for _, m := range messages {
			if last = m.ID; m.Status != nil && m.Status.Final() {
				return feed.Progress()
			}
		}
		if p, preview = feed.Progress(); preview != nil {
			break
		}
		select {
		case <-more:
		case <-end:
			return p, nil
		case <-ctx.Done():
			return p, nil
		}
	}
	return p, preview
}

// firstPreview is how long Seen waits.
const firstPreview = 250 * time.Millisecond

// Progress is how far a job is, without following it.
func (c *Core) Progress(j job.Job) (bus.Progress, *bus.Preview) {
	c.feeds.mu.Lock()
	f := c.feeds.all[j.ID]
	c.feeds.mu.Unlock()
	if f != nil {
		return f.Progress()
	}
	p := bus.Progress{Steps: j.Request.Steps, Image: len(j.Images), Images: j.Request.N, Left: -1}
	return p, nil
}
