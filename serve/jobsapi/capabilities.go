package jobsapi

import (
	"net/http"

	"github.com/ldm-go/ldm/serve/core"
)

// capabilities says what this server can do, and every default.
func (a API) capabilities(w http.ResponseWriter, r *http.Request) {
	var samplers, schedules []string
	for _, s := range a.Samplers {
		samplers = append(samplers, s.Name)
	}
	for _, s := range a.Schedules {
		schedules = append(schedules, s.Name)
	}
	loras, words, controls, databases := []string{}, []string{}, []string{}, []any{}
	have := a.Adapters()
	for _, l := range have.LoRAs {
		loras = append(loras, l.Name)
	}
	for _, w := range have.Words {
		words = append(words, w.Name)
	}
	for _, c := range have.Controls {
		controls = append(controls, c.Name)
	}
	for _, d := range have.Databases {
		databases = append(databases, map[string]any{"name": d.Name, "pictures": d.Pictures})
	}
	models := []any{}
	for _, m := range a.Models() {
		models = append(models, map[string]any{
			"id": m.ID, "hash": m.SHA256, "tasks": m.Tasks, "classes": m.Classes, "class_names": m.Names,
			"width": m.Width, "height": m.Height, "size_step": m.Unit,
			"defaults": map[string]any{
				"width": m.Width, "height": m.Height, "steps": m.Steps, "cfg_scale": m.CFGScale, "sampler": m.Sampler, "scheduler": m.Scheduler,
				"n": 1, "strength": .75, "mask_blur": 0, "clip_skip": 1, "output_format": "png", "output_compression": 100, "priority": "normal",
			},
		})
	}
	l := a.Check.Limits
	core.JSON(w, http.StatusOK, map[string]any{
		"models": models, "samplers": samplers, "schedulers": schedules, "loras": loras, "embeddings": words,
		"controls": controls, "databases": databases,
		"limits": map[string]any{
			"max_pixels": l.MaxPixels, "max_input_pixels": l.MaxInputPixels, "max_steps": l.MaxSteps, "max_images": l.MaxImages,
		},
		"features": []string{"events", "previews", "idempotency", "batching", "png_metadata"}, "version": a.Version,
	})
}
