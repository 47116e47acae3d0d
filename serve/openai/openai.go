// Package openai is the interface of OpenAI's images API, as its clients use it:
// generations and edits, whole or streamed with partial pictures.
package openai

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// API serves OpenAI's clients.
type API struct{ *core.Core }

// Register adds the routes.
func (a API) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/models", a.models)
	mux.HandleFunc("GET /v1/models/{id}", a.model)
	mux.HandleFunc("POST /v1/images/generations", a.generations)
	mux.HandleFunc("POST /v1/images/edits", a.edits)
	mux.HandleFunc("POST /v1/images/variations", a.variations)
}

type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func view(m catalog.Model) model { return model{m.ID, "model", m.Created, "ldm"} }

func (a API) models(w http.ResponseWriter, _ *http.Request) {
	list := []model{}
	for _, m := range a.Models() {
		list = append(list, view(m))
	}
	core.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (a API) model(w http.ResponseWriter, r *http.Request) {
	m, err := a.find(r.PathValue("id"))
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	core.JSON(w, http.StatusOK, view(m))
}

// find is the model that a client means. The names of OpenAI's own, which
// clients have built in, mean the default.
func (a API) find(name string) (catalog.Model, error) {
	for _, prefix := range []string{"dall-e-", "gpt-image-", "chatgpt-image-"} {
		if strings.HasPrefix(name, prefix) {
			name = ""
		}
	}
	return a.Model(name)
}

func (a API) generations(w http.ResponseWriter, r *http.Request) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	if !f.Has("prompt") {
		f.Fail("prompt", fields.Missing, "want a text")
	}
	q, err := a.read(f)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	q.event = "image_generation"
	a.answer(w, r, q)
}

func (a API) edits(w http.ResponseWriter, r *http.Request) {
	f, files, err := form(r)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	if !f.Has("prompt") {
		f.Fail("prompt", fields.Missing, "want a text")
	}
	q, err := a.read(f)
	if err == nil {
		err = q.edit(a.Core, f, files)
	}
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	q.event = "image_edit"
	a.answer(w, r, q)
}

// variations are pictures that begin with one, without a text.
func (a API) variations(w http.ResponseWriter, r *http.Request) {
	f, files, err := form(r)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	q, err := a.read(f)
	if err == nil {
		err = q.edit(a.Core, f, files)
	}
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	q.event = "image_edit"
	a.answer(w, r, q)
}

// answer runs a request and answers it, whole or as a stream.
func (a API) answer(w http.ResponseWriter, r *http.Request, q *query) {
	j, blobs, err := a.Check.Job(q.model, q.in)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	j.Key, j.Family = front.Key(r.Context()), job.OpenAI
	if q.stream {
		a.stream(w, r, q, j, blobs)
		return
	}
	done, err := a.Do(r.Context(), j, blobs)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	if done.Status != job.Succeeded {
		core.WriteProblem(w, core.Failure(done))
		return
	}
	type datum struct {
		B64  string `json:"b64_json,omitempty"`
		URL  string `json:"url,omitempty"`
		Seed int64  `json:"seed"`
	}
	data := []datum{}
	for _, img := range done.Images {
		d := datum{Seed: img.Seed}
		if q.url {
			d.URL = a.base(r) + "/v1/jobs/" + done.ID + "/images/" + strconv.Itoa(img.Index)
		} else if d.B64, err = a.base64(r.Context(), done.ID, img.Index); err != nil {
			a.Refuse(w, r, err)
			return
		}
		data = append(data, d)
	}
	core.JSON(w, http.StatusOK, map[string]any{
		"created": time.Now().Unix(), "data": data, "background": "opaque", "output_format": done.Request.OutputFormat,
		"quality": q.quality, "size": sizeOf(done), "usage": usageOf(done),
	})
}

// base is where clients reach this server.
func (a API) base(r *http.Request) string {
	if a.Public != "" {
		return strings.TrimSuffix(a.Public, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func (a API) base64(ctx context.Context, id string, index int) (string, error) {
	data, err := a.Blobs.Get(ctx, id, worker.BlobName(index))
	return base64.StdEncoding.EncodeToString(data), err
}

// usage counts as OpenAI does; typed clients insist on it. A token is about four
// characters, or a square of 32 pixels.
type usage struct {
	Input   int `json:"input_tokens"`
	Output  int `json:"output_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Text  int `json:"text_tokens"`
		Image int `json:"image_tokens"`
	} `json:"input_tokens_details"`
}

func usageOf(j job.Job) usage {
	var u usage
	u.Details.Text = (len(j.Request.Prompt) + 3) / 4
	patches := (j.Request.Width + 31) / 32 * ((j.Request.Height + 31) / 32)
	if j.Request.InitImage != "" {
		u.Details.Image = patches
	}
	u.Input = u.Details.Text + u.Details.Image
	u.Output = patches * len(j.Images)
	u.Total = u.Input + u.Output
	return u
}

func sizeOf(j job.Job) string {
	if len(j.Images) > 0 {
		return strconv.Itoa(j.Images[0].Width) + "x" + strconv.Itoa(j.Images[0].Height)
	}
	return strconv.Itoa(j.Request.Width) + "x" + strconv.Itoa(j.Request.Height)
}
