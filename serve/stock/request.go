package stock

import (
	"context"
	"fmt"
	"image"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/picture"
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
	out.Savings = ldm.Savings{MergeTokens: r.TokenMerging, DeepCache: ldm.DeepCache{Interval: r.DeepCache, Branch: r.DeepCacheBranch}, AdaptiveGuidance: r.AdaptiveGuidance}
	if r.CFGInterval != nil {
		out.Interval = *r.CFGInterval
	}
	switch {
	case r.Class != nil:
		out.Condition = ldm.Class(*r.Class)
	case m.Network().TakesVectors():
		if err := s.retrieved(ctx, r, &out); err != nil {
			return out, err
		}
	case m.Network().TextLength() > 0:
		out.Condition = ldm.Prompt(plain(r.Prompt))
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

// retrieved makes the texts of a job vectors, with their neighbours.
func (s *Stock) retrieved(ctx context.Context, r job.Request, out *work) error {
	prompt, err := s.vectors(ctx, plain(r.Prompt), r)
	if err != nil {
		return err
	}
	out.Condition = prompt
	if r.CFGScale != 0 && (r.CFGScale == 1 || r.NegativePrompt == "") {
		return nil
	}
	negative, err := s.vectors(ctx, r.NegativePrompt, r)
	if err != nil {
		return err
	}
	if out.Negative = negative; r.CFGScale == 0 { // the negative prompt alone
		out.Condition, out.Negative, out.Guidance = negative, nil, 1
	}
	return nil
}

// plain is a prompt without the LoRAs that it names.
func plain(prompt string) string {
	rest, _, _ := lora.Tags(prompt) // the job would not be there if it were wrong
	return rest
}

// contents are A1111's names of what a masked area begins with, but for the picture itself.
var contents = map[job.Fill]string{job.FillBlur: "fill", job.FillNoise: "latent noise", job.FillZeros: "latent nothing"}

// commands are those of this program that do a kind of work.
var commands = map[job.Type]string{
	job.TextToImage: "txt2img", job.ImageToImage: "img2img", job.Inpaint: "inpaint", job.ClassToImage: "sample", job.Uncond: "sample", job.Upscale: "upscale",
}

// resizes are the names of A1111's extension for ControlNets of how pictures are made to fit.
var resizes = map[job.ResizeMode]string{job.Stretch: "Just Resize", job.Crop: "Crop and Resize", job.Pad: "Resize and Fill"}

// settings are those of a picture as A1111 writes them.
func settings(m catalog.Model, r job.Request, seed int64, version string) metadata.Parameters {
	p := metadata.Parameters{Prompt: strings.TrimSpace(r.Prompt), Negative: r.NegativePrompt}
	add := func(key, value string) { p.Fields = append(p.Fields, metadata.Field{Key: key, Value: value}) }
	add("Steps", strconv.Itoa(r.Steps))
	add("Sampler", r.Sampler)
	if r.Scheduler != "" {
		add("Schedule type", r.Scheduler)
	}
	add("CFG scale", metadata.Number(r.CFGScale))
	add("Seed", strconv.FormatInt(seed, 10))
	add("Size", fmt.Sprintf("%dx%d", r.Width, r.Height))
	add("Model hash", m.Hash())
	add("Model", m.ID)
	if r.InitImage != "" && r.Type != job.Upscale {
		add("Denoising strength", metadata.Number(r.Strength))
	}
	if r.ClipSkip > 1 {
		add("Clip skip", strconv.Itoa(r.ClipSkip))
	}
	if r.Mask != "" {
		add("Mask blur", metadata.Number(r.MaskBlur))
		if r.FullRes {
			add("Inpaint area", "Only masked")
			add("Masked area padding", strconv.Itoa(r.FullResPadding))
		}
		if content := contents[r.Fill]; content != "" {
			add("Masked content", content)
		}
	}
	for i, c := range r.Controls {
		add(fmt.Sprintf("ControlNet %d", i), fmt.Sprintf("Module: none, Model: %s, Weight: %g, Resize Mode: %s, Guidance Start: %g, Guidance End: %g, Control Mode: Balanced",
			c.Model, c.Strength, resizes[c.Resize], c.Start, c.End))
	}
	if r.TokenMerging != 0 {
		add("Token merging ratio", metadata.Number(r.TokenMerging))
	}
	if i := r.CFGInterval; i != nil && i[1] == 1 {
		add("Skip Early CFG", metadata.Number(i[0]))
	}
	if r.Eta != nil && *r.Eta != 0 {
		add("Eta", metadata.Number(*r.Eta))
	}
	if r.Class != nil {
		add("Class", strconv.Itoa(*r.Class))
	}
	if task := commands[r.Type]; task != "txt2img" {
		add("Task", task)
	}
	add("Version", version)
	return p
}

// notesOf are the texts that a picture carries: A1111's, and for work without a
// picture that it began with the recipe by which ldm --from-image makes it again.
func notesOf(p metadata.Parameters, m catalog.Model, r job.Request, seed int64, version string) ([]picture.Note, error) {
	task := commands[r.Type]
	file := metadata.File{Name: m.FileName(), SHA256: m.SHA256}
	if m.File == "" {
		file = metadata.File{Name: m.ID, SHA256: m.SHA256}
	}
	recipe := metadata.Recipe{Task: task, Model: file, Version: strings.TrimPrefix(version, "ldm "), Flags: map[string][]string{
		"seed": {strconv.FormatInt(seed, 10)}, "n": {"1"}, "steps": {strconv.Itoa(r.Steps)}, "rng": {"ldm"}, "sampler": {r.Sampler},
		"cfg-scale": {metadata.Number(r.CFGScale)}, "width": {strconv.Itoa(r.Width)}, "height": {strconv.Itoa(r.Height)},
	}}
	set := func(flag, value string, want bool) {
		if want {
			recipe.Flags[flag] = []string{value}
		}
	}
	set("prompt", r.Prompt, r.Type == job.TextToImage)
	set("negative-prompt", r.NegativePrompt, r.NegativePrompt != "")
	set("scheduler", r.Scheduler, r.Scheduler != "")
	set("token-merging", metadata.Number(r.TokenMerging), r.TokenMerging != 0)
	set("adaptive-guidance", metadata.Number(r.AdaptiveGuidance), r.AdaptiveGuidance != 0)
	set("deep-cache", fmt.Sprintf("%d,%d", r.DeepCache, max(r.DeepCacheBranch, 1)), r.DeepCache != 0)
	if i := r.CFGInterval; i != nil {
		set("cfg-interval", metadata.Number(i[0])+","+metadata.Number(i[1]), true)
	}
	set("clip-skip", strconv.Itoa(r.ClipSkip), r.ClipSkip > 1)
	if r.Class != nil {
		set("class", strconv.Itoa(*r.Class), true)
	}
	if r.Eta != nil {
		set("eta", metadata.Number(*r.Eta), true)
	}
	notes, err := metadata.Notes(p, recipe)
	if err == nil && (r.InitImage != "" || len(r.Controls) > 0 || r.Database != "" || r.CFGScale == 0) { // what it began with is not at hand
		notes = notes[:1]
	}
	return notes, err
}
