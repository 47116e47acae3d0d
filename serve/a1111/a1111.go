// Package a1111 is the interface of AUTOMATIC1111's web UI (/sdapi/v1), as its
// clients use it. It reads leniently, ignores fields that it does not know, and
// refuses by name what would change the picture and is not done here.
package a1111

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
)

// API serves A1111's clients.
type API struct {
	*core.Core
	mu      sync.Mutex
	current string // the model that requests without one take; "": the server's default
}

// Register adds the routes.
func (a *API) Register(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"POST txt2img": a.textToImage, "POST img2img": a.imageToImage,
		"POST extra-single-image": a.extraSingle, "POST extra-batch-images": a.extraBatch, "POST png-info": a.pngInfo,
		"GET progress": a.progress, "POST interrupt": a.interrupt, "POST skip": a.skip,
		"GET options": a.options, "POST options": a.setOptions,
		"GET sd-models": a.models, "GET samplers": a.samplers, "GET schedulers": a.schedulers, "GET upscalers": a.upscalers,
		"GET memory": a.memory, "POST unload-checkpoint": a.unload, "POST reload-checkpoint": a.reload,
		"GET loras": a.loras, "GET embeddings": a.embeddings, "GET scripts": a.scriptList,
	} {
		method, name, _ := strings.Cut(path, " ")
		mux.HandleFunc(method+" /sdapi/v1/"+name, h)
	}
	for name, answer := range lists {
		mux.HandleFunc("GET /sdapi/v1/"+name, func(w http.ResponseWriter, _ *http.Request) { core.JSON(w, http.StatusOK, json.RawMessage(answer)) })
	}
	for _, name := range []string{"refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings"} {
		mux.HandleFunc("POST /sdapi/v1/"+name, a.refresh)
	}
	a.registerControl(mux)
	mux.HandleFunc("GET /internal/ping", empty)
	mux.HandleFunc("GET /queue/status", a.queueStatus)
}

// lists are answers that are always the same: what this program has none of.
var lists = map[string]string{
	"latent-upscale-modes": `[{"name":"Latent"},{"name":"Latent (nearest-exact)"}]`,
	"sd-vae":               `[]`, "sd-modules": `[]`, "hypernetworks": `[]`, "face-restorers": `[]`, "realesrgan-models": `[]`,
	"prompt-styles": `[]`, "extensions": `[]`, "script-info": `[]`,
	"cmd-flags": `{}`,
}

func empty(w http.ResponseWriter, _ *http.Request) { core.JSON(w, http.StatusOK, struct{}{}) }

// Owns tells whether a path is one of this interface.
func Owns(path string) bool {
	return strings.HasPrefix(path, "/sdapi/") || strings.HasPrefix(path, "/controlnet/")
}

// refuse answers an error in A1111's form.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := a.Problem(r.Context(), err)
	var field *fields.Error
	switch {
	case errors.As(err, &field) && (field.Field == "sampler_name" || field.Field == "init_images" && field.Code == fields.Missing):
		p.Status = http.StatusNotFound
	case errors.As(err, &field):
		p.Status = http.StatusUnprocessableEntity
	}
	if a.Rejected != nil && p.Code != nil {
		a.Rejected(*p.Code)
	}
	WriteProblem(w, p)
}

// WriteProblem answers in A1111's form.
func WriteProblem(w http.ResponseWriter, p core.Problem) {
	p.Headers(w)
	name := "HTTPException"
	if p.Status >= 500 {
		name = "RuntimeError"
	}
	core.JSON(w, p.Status, map[string]string{"error": name, "detail": p.Message, "body": "", "errors": p.Message})
}

// model is the one that a request means.
func (a *API) model(name string) (catalog.Model, error) {
	if name == "" {
		a.mu.Lock()
		name = a.current
		a.mu.Unlock()
	}
	return a.Model(name)
}

func (a *API) models(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, m := range a.Models() {
		list = append(list, map[string]any{
			"title": m.Title(), "model_name": m.ID, "hash": m.Hash(), "sha256": m.SHA256, "filename": m.FileName(), "config": nil,
		})
	}
	core.JSON(w, http.StatusOK, list)
}

func (a *API) samplers(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, s := range a.Samplers {
		list = append(list, map[string]any{"name": s.Name, "aliases": notNull(s.Aliases), "options": struct{}{}})
	}
	core.JSON(w, http.StatusOK, list)
}

func notNull(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (a *API) schedulers(w http.ResponseWriter, _ *http.Request) {
	list := []any{map[string]any{"name": "automatic", "label": "Automatic", "aliases": nil, "default_rho": -1, "need_inner_model": false}}
	for _, s := range a.Schedules {
		rho := -1.
		if s.Rho > 0 {
			rho = s.Rho
		}
		list = append(list, map[string]any{"name": s.Name, "label": s.Label, "aliases": s.Aliases, "default_rho": rho, "need_inner_model": false})
	}
	core.JSON(w, http.StatusOK, list)
}

// options are the settings that clients look for.
func (a *API) options(w http.ResponseWriter, _ *http.Request) {
	m, err := a.model("")
	if err != nil {
		m = catalog.Model{}
	}
	core.JSON(w, http.StatusOK, map[string]any{
		"samples_format": "png", "sd_model_checkpoint": m.Title(), "sd_checkpoint_hash": m.SHA256, "sd_vae": "Automatic",
		"CLIP_stop_at_last_layers": 1, "eta_noise_seed_delta": 0, "samples_save": false, "grid_save": false, "enable_pnginfo": a.Text,
		"s_churn": 0, "s_tmin": 0, "s_tmax": 0, "s_noise": 1, "eta_ancestral": 1, "eta_ddim": 0, "live_previews_enable": true,
		"show_progress_every_n_steps": 1, "img2img_fix_steps": false, "outdir_samples": "",
	})
}

// setOptions takes any keys, as clients send everything back that they were
// sent; the model is what has an effect.
func (a *API) setOptions(w http.ResponseWriter, r *http.Request) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if name := f.Text("sd_model_checkpoint"); name != "" {
		m, err := a.Model(name)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		if err := a.Load(r.Context(), m.ID); err != nil {
			a.refuse(w, r, fmt.Errorf("the model %s cannot be loaded: %w", m.ID, err))
			return
		}
		a.mu.Lock()
		a.current = m.ID
		a.mu.Unlock()
	}
	core.JSON(w, http.StatusOK, nil)
}

func (a *API) memory(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	total := max(machine.Memory(), int64(m.Sys))
	core.JSON(w, http.StatusOK, map[string]any{
		"ram":  map[string]any{"free": total - int64(m.Sys), "used": m.Sys, "total": total},
		"cuda": map[string]any{"error": "unavailable"},
	})
}

func (a *API) queueStatus(w http.ResponseWriter, r *http.Request) {
	waiting, err := a.Store.Waiting(r.Context())
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	core.JSON(w, http.StatusOK, map[string]any{
		"msg": "estimation", "rank": nil, "queue_size": len(waiting), "avg_event_process_time": nil, "avg_event_concurrent_process_time": nil,
		"rank_eta": nil, "queue_eta": a.RetryAfter(r.Context()),
	})
}
