// Package servetest has models for tests of the server: they make pictures of
// one colour, a step every few milliseconds, and need no network.
package servetest

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// Models are fakes.
type Models struct {
	Step   time.Duration
	Models []catalog.Model
	Extra  catalog.Adapters
	Steps  atomic.Int64 // done by all jobs
	Loads  atomic.Int64
	Scans  atomic.Int64
}

// New returns two models: one of texts, and one of classes.
func New(step time.Duration) *Models {
	text := catalog.Model{
		ID: "fake", SHA256: strings.Repeat("0123456789abcdef", 4), Created: 1700000000,
		Tasks: []job.Type{job.TextToImage, job.ImageToImage, job.Inpaint}, Width: 64, Height: 64, Unit: 32,
		Steps: 20, CFGScale: 5, Sampler: "DDIM", Timesteps: 1000,
	}
	classes := text
	classes.ID, classes.SHA256 = "classes", strings.Repeat("fedcba9876543210", 4)
	classes.Tasks, classes.Classes, classes.Names = []job.Type{job.ClassToImage}, 3, []string{"cat", "dog", "cow"}
	return &Models{Step: step, Models: []catalog.Model{text, classes}}
}

// List implements serve.Models.
func (m *Models) List() []catalog.Model { return m.Models }

// Adapters implements serve.Models.
func (m *Models) Adapters() catalog.Adapters { return m.Extra }

// Load implements serve.Models.
func (m *Models) Load(string) error { m.Loads.Add(1); return nil }

// Unload implements serve.Models.
func (m *Models) Unload(string) {}

// Rescan implements serve.Models.
func (m *Models) Rescan() error { m.Scans.Add(1); return nil }

// Bytes implements serve.Models.
func (m *Models) Bytes() int64 { return 1 << 20 }

// Loaded implements worker.Runner.
func (m *Models) Loaded(string) bool { return true }

// Has implements worker.Runner.
func (m *Models) Has(r job.Request) bool {
	_, ok := catalog.Find(m.Models, r.Model)
	return ok
}

// Run implements worker.Runner. The colour is the seed's.
func (m *Models) Run(ctx context.Context, t *worker.Task) error {
	r := t.Job.Request
	for i := range r.N {
		skips := t.Skips()
		for step := range r.Steps {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(m.Step):
			}
			m.Steps.Add(1)
			t.Step(step+1, r.Steps, i, 1)
			if step+1 < r.Steps && t.WantsPreview(step+1) {
				data, err := encode(r, r.Seed+int64(i))
				if err != nil {
					return err
				}
				t.Preview(bus.Preview{Image: i, Step: step + 1, Whole: r.FullPreview, Media: "image/" + r.OutputFormat, Data: data})
			}
			if t.Interrupted() || t.Skips() > skips {
				break
			}
		}
		data, err := encode(r, r.Seed+int64(i))
		if err != nil {
			return err
		}
		img := job.Image{Index: i, Seed: r.Seed + int64(i), Width: r.Width, Height: r.Height, Media: "image/" + r.OutputFormat,
			Infotext: fmt.Sprintf("%s\nSteps: %d, Sampler: %s, CFG scale: %g, Seed: %d, Size: %dx%d", r.Prompt, r.Steps, r.Sampler, r.CFGScale, r.Seed+int64(i), r.Width, r.Height)}
		if err := t.Picture(ctx, img, data); err != nil {
			return err
		}
		if t.Interrupted() {
			return nil
		}
	}
	return nil
}

func encode(r job.Request, seed int64) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, r.Width, r.Height))
	for i := range r.Width * r.Height {
		img.SetRGBA(i%r.Width, i/r.Width, color.RGBA{byte(seed), byte(seed >> 8), 128, 255})
	}
	format := map[string]container.Format{"png": container.PNG, "jpeg": container.JPEG, "webp": container.WebP}[r.OutputFormat]
	return picture.Encode(img, format, picture.Options{})
}
