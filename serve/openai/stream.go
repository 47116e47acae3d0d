package openai

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
)

// event is a picture in a stream, partial or finished.
type event struct {
	Type         string `json:"type"`
	B64          string `json:"b64_json"`
	Created      int64  `json:"created_at"`
	Size         string `json:"size"`
	Quality      string `json:"quality"`
	Background   string `json:"background"`
	OutputFormat string `json:"output_format"`
	PartialIndex *int   `json:"partial_image_index,omitempty"`
	ImageIndex   *int   `json:"image_index,omitempty"`
	Seed         *int64 `json:"seed,omitempty"`
	Usage        *usage `json:"usage,omitempty"`
}

// stream answers with partial pictures as they form and each picture when it is
// done. Until the job is accepted errors are plain answers.
func (a API) stream(w http.ResponseWriter, r *http.Request, q *query, j job.Job, blobs intake.Blobs) {
	if q.partials > 0 {
		j.Request.PreviewEvery = max(j.Request.Steps/(q.partials+1), 1)
		j.Request.FullPreview = true
	}
	j.Attached = a.Name
	j, err := a.Submit(r.Context(), j, blobs)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	ctx := r.Context()
	out := core.NewStream(w)
	feed := a.Feed(j)
	changes := a.Store.Changes(ctx)
	alive := time.NewTicker(core.KeepAlive)
	defer alive.Stop()
	seen, partials, finished := 0, map[int]int{}, 0
	for {
		messages, more := feed.After(seen)
		now, err := a.Store.Get(ctx, j.ID)
		if err != nil {
			a.Store.Cancel(context.WithoutCancel(ctx), j.ID)
			return
		}
		for _, m := range messages {
			seen = m.ID
			if p := m.Preview; p != nil && partials[p.Image] < q.partials {
				index := partials[p.Image]
				partials[p.Image]++
				e := a.event(q, now, "partial_image", base64.StdEncoding.EncodeToString(p.Data))
				e.PartialIndex, e.ImageIndex = &index, &p.Image
				out.Send(0, e.Type, e)
			}
		}
		for ; finished < len(now.Images); finished++ {
			img := now.Images[finished]
			text, err := a.base64(ctx, j.ID, img.Index)
			if err != nil {
				out.Send(0, "error", map[string]any{"error": a.Problem(ctx, err)})
				return
			}
			e := a.event(q, now, "completed", text)
			one := now
			one.Images = now.Images[finished : finished+1]
			u := usageOf(one)
			e.Usage, e.Seed, e.ImageIndex = &u, &img.Seed, &img.Index
			out.Send(0, e.Type, e)
		}
		if now.Status.Final() {
			if now.Status != job.Succeeded {
				out.Send(0, "error", map[string]any{"error": core.Failure(now)})
			}
			return
		}
		select {
		case <-ctx.Done():
			a.Store.Cancel(context.WithoutCancel(ctx), j.ID)
			return
		case <-more:
		case <-changes:
		case <-alive.C:
			out.Comment()
		}
	}
}

func (a API) event(q *query, j job.Job, kind, data string) event {
	return event{
		Type: q.event + "." + kind, B64: data, Created: time.Now().Unix(), Size: sizeOf(j), Quality: q.quality,
		Background: "opaque", OutputFormat: j.Request.OutputFormat,
	}
}
