// Package jobsapi is the interface of jobs: they are accepted at once, followed
// by events, and fetched when they are done. It reads strictly: a field that it
// does not know is refused.
package jobsapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/worker"
)

// API serves jobs.
type API struct{ *core.Core }

// Register adds the routes.
func (a API) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/jobs", a.create)
	mux.HandleFunc("GET /v1/jobs", a.list)
	mux.HandleFunc("GET /v1/jobs/{id}", a.get)
	mux.HandleFunc("DELETE /v1/jobs/{id}", a.remove)
	mux.HandleFunc("GET /v1/jobs/{id}/images/{index}", a.image)
	mux.HandleFunc("GET /v1/jobs/{id}/events", a.events)
	mux.HandleFunc("GET /v1/capabilities", a.capabilities)
}

// refuse answers an error; a field that cannot be taken is 422 here.
func (a API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := a.Problem(r.Context(), err)
	var field *fields.Error
	if errors.As(err, &field) && field.Code != fields.InvalidJSON {
		p.Status = http.StatusUnprocessableEntity
	}
	a.Reject(w, p)
}

// maxWait is how long Prefer: wait may hold an answer back.
const maxWait = 60 * time.Second

func (a API) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	j, blobs, err := a.read(body)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	j.Key, j.Family = front.Key(r.Context()), job.Jobs
	if j.Idempotent = r.Header.Get("Idempotency-Key"); len(j.Idempotent) > 255 {
		a.refuse(w, r, &fields.Error{Field: "Idempotency-Key", Code: fields.InvalidValue, Message: "want at most 255 characters"})
		return
	}
	digest := sha256.Sum256(body)
	j.Digest = hex.EncodeToString(digest[:])
	if j, err = a.Submit(r.Context(), j, blobs); err != nil {
		a.refuse(w, r, err)
		return
	}
	status := http.StatusAccepted
	if wait := prefer(r); wait > 0 {
		ctx, stop := context.WithTimeout(r.Context(), wait)
		defer stop()
		if done, err := a.Wait(ctx, j.ID); err == nil {
			j, status = done, http.StatusOK
		} else if now, err := a.Store.Get(r.Context(), j.ID); err == nil {
			j = now
		}
	}
	w.Header().Set("Location", "/v1/jobs/"+j.ID)
	core.JSON(w, status, a.view(r.Context(), j))
}

// prefer reads Prefer: wait=N.
func prefer(r *http.Request) time.Duration {
	for part := range strings.SplitSeq(r.Header.Get("Prefer"), ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(part), "wait="); ok {
			if s, err := strconv.Atoi(n); err == nil && s > 0 {
				return min(time.Duration(s)*time.Second, maxWait)
			}
		}
	}
	return 0
}

// read makes a job of a body.
func (a API) read(body []byte) (j job.Job, blobs intake.Blobs, err error) {
	f, err := fields.JSON(strings.NewReader(string(body)), true)
	if err != nil {
		return j, nil, err
	}
	in := intake.Input{
		Type: job.Type(f.Text("type")), Prompt: f.Text("prompt"), NegativePrompt: f.Text("negative_prompt"),
		N: f.Int("n"), Seed: f.Int("seed"), Width: f.Int("width"), Height: f.Int("height"), Steps: f.Int("steps"),
		CFGScale: f.Float("cfg_scale"), Sampler: f.Text("sampler"), Scheduler: f.Text("scheduler"), Eta: f.Float("eta"),
		ClipSkip: f.Int("clip_skip"), MaskBlur: f.Float("mask_blur"), Strength: f.Float("strength"),
		OutputFormat: f.Text("output_format"), Compression: f.Int("output_compression"), PreviewEvery: f.Int("preview_every"),
		Priority: job.Priority(f.Text("priority")), Strict: true,
	}
	if _, isText := f.Any("class").(string); isText {
		in.Class = f.Text("class")
	} else if n := f.Int("class"); n != nil {
		in.Class = *n
	}
	in.InitImage, in.Mask = picture(f, "init_image", fields.InvalidImage), picture(f, "mask", fields.InvalidMask)
	for name, v := range f.Map("metadata") {
		text, ok := v.(string)
		if !ok {
			f.Fail("metadata", fields.InvalidType, "want pairs of strings")
		}
		if in.Metadata == nil {
			in.Metadata = map[string]string{}
		}
		in.Metadata[name] = text
	}
	readControls(f, &in)
	in.Database, in.Neighbours = f.Text("database"), f.Int("neighbours")
	in.Savings = intake.Savings{
		TokenMerging: f.Float("token_merging"), DeepCache: f.Int("deep_cache"), DeepCacheBranch: f.Int("deep_cache_branch"),
		AdaptiveGuidance: f.Float("adaptive_guidance"), CFGInterval: f.Floats("cfg_interval"),
	}
	name := f.Text("model")
	if err := f.Err(); err != nil {
		return j, nil, err
	}
	m, err := a.Model(name)
	if err != nil {
		return j, nil, fmt.Errorf("%w: %q", err, name)
	}
	return a.Check.Job(m, in)
}

// readControls reads the ControlNets of a request.
func readControls(f *fields.Fields, in *intake.Input) {
	for i, c := range f.List("controls") {
		control := intake.Control{Model: c.Text("model"), Image: picture(c, "image", fields.InvalidImage), Strength: c.Float("strength"), Start: c.Float("start"), End: c.Float("end")}
		switch mode := c.Text("resize"); mode {
		case "", "stretch":
		case string(job.Crop), string(job.Pad):
			control.Resize = job.ResizeMode(mode)
		default:
			c.Fail("resize", fields.Unsupported, "%q: want stretch, crop or pad", mode)
		}
		f.Join(fmt.Sprintf("controls[%d].", i), c)
		in.Controls = append(in.Controls, control)
	}
}

func picture(f *fields.Fields, name, code string) []byte {
	text := f.String(name)
	if text == nil {
		return nil
	}
	data, err := intake.Base64(*text)
	if err != nil {
		f.Fail(name, code, "%v", err)
	}
	return data
}

// own returns the job that a path names, if it came with the same key.
func (a API) own(w http.ResponseWriter, r *http.Request) (job.Job, bool) {
	j, err := a.Store.Get(r.Context(), r.PathValue("id"))
	if err == nil && j.Key != front.Key(r.Context()) {
		err = store.ErrNotFound
	}
	if err != nil {
		a.refuse(w, r, err)
		return j, false
	}
	return j, true
}

func (a API) get(w http.ResponseWriter, r *http.Request) {
	if j, ok := a.own(w, r); ok {
		core.JSON(w, http.StatusOK, a.view(r.Context(), j))
	}
}

func (a API) list(w http.ResponseWriter, r *http.Request) {
	q := store.Query{Key: front.Key(r.Context()), After: r.URL.Query().Get("after"), Limit: 20}
	var err error
	if q.Status, err = job.ParseStatus(r.URL.Query().Get("status")); err != nil {
		a.refuse(w, r, &fields.Error{Field: "status", Code: fields.InvalidValue, Message: err.Error()})
		return
	}
	if text := r.URL.Query().Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > 100 {
			a.refuse(w, r, &fields.Error{Field: "limit", Code: fields.InvalidValue, Message: "want 1 to 100"})
			return
		}
	}
	jobs, more, err := a.Store.List(r.Context(), q)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	views := make([]view, len(jobs))
	for i, j := range jobs {
		views[i] = a.view(r.Context(), j)
	}
	core.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": views, "has_more": more})
}

// remove cancels a job that has not ended, and forgets one that has.
func (a API) remove(w http.ResponseWriter, r *http.Request) {
	j, ok := a.own(w, r)
	if !ok {
		return
	}
	if !j.Status.Final() {
		j, err := a.Store.Cancel(r.Context(), j.ID)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		core.JSON(w, http.StatusOK, a.view(r.Context(), j))
		return
	}
	if err := store.Remove(r.Context(), a.Store, a.Blobs, j.ID); err != nil {
		a.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a API) image(w http.ResponseWriter, r *http.Request) {
	j, ok := a.own(w, r)
	if !ok {
		return
	}
	for _, img := range j.Images {
		if strconv.Itoa(img.Index) != r.PathValue("index") {
			continue
		}
		h := w.Header()
		h.Set("ETag", `"`+img.SHA256+`"`)
		h.Set("Cache-Control", "private, max-age=3600, immutable")
		if strings.Contains(r.Header.Get("If-None-Match"), img.SHA256) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		data, err := a.Blobs.Get(r.Context(), j.ID, worker.BlobName(img.Index))
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		h.Set("Content-Type", img.Media)
		h.Set("Content-Length", strconv.Itoa(len(data)))
		h.Set("Content-Disposition", fmt.Sprintf("inline; filename=\"%s-%d.%s\"", j.ID, img.Index, strings.TrimPrefix(img.Media, "image/")))
		if r.Method != http.MethodHead {
			w.Write(data)
		}
		return
	}
	a.refuse(w, r, store.ErrNotFound)
}
