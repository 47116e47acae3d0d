package stock

import (
	"context"
	"fmt"
	"image"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/metadata"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

var formats = map[string]container.Format{"png": container.PNG, "jpeg": container.JPEG, "webp": container.WebP}

// work is a job's request as the library takes it, and what becomes of its pictures.
type work struct {
	ldm.Request
	after func(image.Image) image.Image
}

// request makes the library's request of a job's; seeds and what is told of steps
// are the caller's.
func (s *Stock) request(ctx context.Context, m *ldm.Model, t *worker.Task) (work, error) {
	r := t.Job.Request
	out := work{Request: ldm.Request{Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.CFGScale, Eta: r.Eta}}
	method, schedule, err := sampler.Parse(r.Sampler)
	if err != nil {
		return out, err
	}
	if r.Scheduler != "" {
		if schedule, err = sampler.ParseSchedule(r.Scheduler); err != nil {
			return out, err
		}
	}
	out.Sampler, out.Schedule = method, schedule
	if r.ClipSkip > 1 {
		out.ClipSkip = r.ClipSkip
	}
	switch {
	case r.Class != nil:
		out.Condition = ldm.Class(*r.Class)
	case m.Network().TextLength() > 0:
		out.Condition = ldm.Prompt(r.Prompt)
		switch r.CFGScale {
		case 0: // the negative prompt alone
			out.Condition, out.Guidance = ldm.Prompt(r.NegativePrompt), 1
		case 1:
		default:
			out.Negative = ldm.Prompt(r.NegativePrompt)
		}
	}
	return out, s.start(ctx, m, t, &out)
}

// settings are those of a picture as A1111 writes them.
func settings(m catalog.Model, r job.Request, seed int64, version string) metadata.Parameters {
	p := metadata.Parameters{Prompt: strings.TrimSpace(r.Prompt), Negative: r.NegativePrompt}
	add := func(key, value string) { p.Fields = append(p.Fields, metadata.Field{Key: key, Value: value}) }
	add("Steps", strconv.Itoa(r.Steps))
	add("Sampler", r.Sampler)
	if r.Scheduler != "" {
		add("Schedule type", r.Scheduler)
	}
	add("CFG scale", number(r.CFGScale))
	add("Seed", strconv.FormatInt(seed, 10))
	add("Size", fmt.Sprintf("%dx%d", r.Width, r.Height))
	add("Model hash", m.Hash())
	add("Model", m.ID)
	if r.InitImage != "" && r.Type != job.Upscale {
		add("Denoising strength", number(r.Strength))
	}
	if r.ClipSkip > 1 {
		add("Clip skip", strconv.Itoa(r.ClipSkip))
	}
	if r.Mask != "" {
		add("Mask blur", number(r.MaskBlur))
		if r.FullRes {
			add("Inpaint area", "Only masked")
			add("Masked area padding", strconv.Itoa(r.FullResPadding))
		}
	}
	if r.Eta != nil && *r.Eta != 0 {
		add("Eta", number(*r.Eta))
	}
	if r.Class != nil {
		add("Class", strconv.Itoa(*r.Class))
	}
	add("Version", version)
	return p
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
