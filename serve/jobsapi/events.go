package jobsapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/job"
)

// lookEvery is well within the time that a look at previews lasts.
const lookEvery = 4 * time.Second

// events tells what happens to a job as it happens, from the event behind the
// one that the client names as its last.
func (a API) events(w http.ResponseWriter, r *http.Request) {
	j, ok := a.own(w, r)
	if !ok {
		return
	}
	ctx := r.Context()
	feed := a.Feed(j)
	changes := a.Store.Changes(ctx)
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	stream := core.NewStream(w)
	alive := time.NewTicker(core.KeepAlive)
	defer alive.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	a.Look(j)
	for {
		_, more := feed.After(last)
		now, err := a.Store.Get(ctx, j.ID)
		if err != nil {
			return // the client is gone, or the job was removed
		}
		messages, _ := feed.After(last) // after the record: of a job that has ended it has all that came before
		for _, m := range messages {
			last = m.ID
			a.send(ctx, stream, now, m)
			if m.Kind == bus.KindStatus {
				a.Look(now)
			}
		}
		if now.Status.Final() {
			for _, img := range now.Images {
				if !feed.Has(img.Index) { // the record was faster than the bus
					last++
					stream.Send(last, "image", imageView(j.ID, img))
				}
			}
			stream.Send(last+1, "done", a.view(ctx, now))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-more:
		case <-changes:
		case <-look.C:
			a.Look(now)
		case <-alive.C:
			stream.Comment()
		}
	}
}

// send writes an event in its public form. The end of a job is told by done.
func (a API) send(ctx context.Context, s *core.Stream, j job.Job, m core.Message) {
	switch {
	case m.Progress != nil:
		p := progress{m.Progress.Step, m.Progress.Steps, m.Progress.Image, m.Progress.Images, m.Progress.Fraction(), nil}
		if m.Progress.Left >= 0 {
			p.Left = &m.Progress.Left
		}
		s.Send(m.ID, "progress", p)
	case m.Preview != nil:
		s.Send(m.ID, "preview", map[string]any{
			"image": m.Preview.Image, "step": m.Preview.Step, "media_type": m.Preview.Media, "b64_json": m.Preview.Data,
		})
	case m.Image != nil:
		s.Send(m.ID, "image", imageView(j.ID, *m.Image))
	case m.Kind == bus.KindStatus && !m.Status.Final():
		s.Send(m.ID, "status", map[string]any{"id": j.ID, "status": *m.Status, "queue_position": a.view(ctx, j).Position})
	}
}
