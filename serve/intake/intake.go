// Package intake turns what a client asks for into a job: it fills in the
// model's defaults and checks everything before any work. All interfaces of
// the server go through it, so that they take the same values and refuse the
// same ones.
package intake

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
)

// Limits bound what one request may ask for.
type Limits struct {
	MaxPixels      int // width times height of a picture that is made
	MaxInputPixels int // of a picture that is sent
	MaxSteps       int
	MaxImages      int // of one request
}

// DefaultLimits are those of a server without flags.
var DefaultLimits = Limits{MaxPixels: 2359296, MaxInputPixels: 33554432, MaxSteps: 250, MaxImages: 16}

// maxPrompt is the length of a prompt in characters.
const maxPrompt = 32000

// maxSeed is the largest whole number that JavaScript has.
const maxSeed = 1<<53 - 1

// Input is what a client asks for. What is nil or zero takes the model's default.
type Input struct {
	Type           job.Type // "": what follows from the pictures and the model
	Prompt         string
	NegativePrompt string
	N              *int64
	Together       int // pictures computed together at most; 0: any number
	Seed           *int64
	Width, Height  *int64
	Steps          *int64
	CFGScale       *float64
	Sampler        string
	Scheduler      string
	Eta            *float64
	ClipSkip       *int64
	Class          any // a number or a name
	InitImage      []byte
	Mask           []byte // white: repaint
	MaskBlur       *float64
	MaskBlurY      *float64
	Strength       *float64
	Resize         job.ResizeMode
	Fill           job.Fill
	FullRes        bool
	FullResPadding *int64
	OutputFormat   string
	Compression    *int64
	PreviewEvery   *int64
	Priority       job.Priority
	Metadata       map[string]string

	// Strict refuses what would have no effect. Clients of the other interfaces
	// send such fields without being asked; there it is a warning, or nothing.
	Strict bool
	// Names are those of the fields in the client's interface, where they differ
	// from this program's: they stand in errors.
	Names map[string]string
}

// Sampling is a sampler and a schedule as their names are written; the schedule
// is "" for the sampler's own.
type Sampling struct {
	Sampler, Schedule string
	UsesEta           bool
}

// Samplers checks the names of a sampler and a schedule, "" for the default.
type Samplers func(sampler, scheduler string) (Sampling, error)

// Checker makes jobs.
type Checker struct {
	Limits   Limits
	Samplers Samplers
	Adapters func() catalog.Adapters // nil: none
}

// Blobs are the pictures that came with a request, by the name in the job.
type Blobs map[string][]byte

// The names of the pictures.
const (
	initBlob = "init"
	maskBlob = "mask"
)

// Job checks an input against a model. Errors are *fields.Error.
func (c Checker) Job(m catalog.Model, in Input) (job.Job, Blobs, error) {
	now := time.Now().UTC()
	j := job.Job{ID: job.NewID(now), Status: job.Queued, Created: now}
	k := check{Checker: c, m: m, in: in, blobs: Blobs{}}
	k.r.Model = m.ID
	k.r.Prompt, k.r.NegativePrompt = k.text("prompt", in.Prompt), k.text("negative_prompt", in.NegativePrompt)
	k.pictures()
	k.kind()
	k.texts()
	k.loras()
	k.size()
	k.numbers()
	k.sampling()
	k.class()
	k.output()
	j.Request, j.Warnings = k.r, k.warnings
	return j, k.blobs, k.err
}

// check is the work on one request. The first error is kept.
type check struct {
	Checker
	m        catalog.Model
	in       Input
	r        job.Request
	blobs    Blobs
	warnings []string
	err      error

	initWidth, initHeight int
}

func (k *check) fail(field, code, format string, args ...any) {
	if k.err != nil {
		return
	}
	if name := k.in.Names[field]; name != "" {
		field = name
	}
	k.err = &fields.Error{Field: field, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (k *check) text(field, s string) string {
	if n := utf8.RuneCountInString(s); n > maxPrompt {
		k.fail(field, fields.InvalidValue, "%d characters: want at most %d", n, maxPrompt)
	}
	return s
}

// whole is a whole number within bounds, or the default.
func (k *check) whole(field string, v *int64, def, low, high int64) int {
	if v == nil {
		return int(def)
	}
	if *v < low || *v > high {
		k.fail(field, fields.InvalidValue, "%d: want %d to %d", *v, low, high)
		return int(def)
	}
	return int(*v)
}

// number is a number within bounds, or the default.
func (k *check) number(field string, v *float64, def, low, high float64) float64 {
	if v == nil {
		return def
	}
	if !(*v >= low && *v <= high) {
		k.fail(field, fields.InvalidValue, "%g: want %g to %g", *v, low, high)
		return def
	}
	return *v
}

// pictures checks what was sent before anything is decoded.
func (k *check) pictures() {
	if k.in.Mask != nil && k.in.InitImage == nil {
		k.fail("mask", fields.InvalidMask, "a mask needs a picture")
		return
	}
	if k.in.InitImage != nil {
		k.initWidth, k.initHeight = k.picture("init_image", fields.InvalidImage, k.in.InitImage)
		k.r.InitImage, k.blobs[initBlob] = initBlob, k.in.InitImage
	}
	if k.in.Mask != nil {
		w, h := k.picture("mask", fields.InvalidMask, k.in.Mask)
		if k.err == nil && (w != k.initWidth || h != k.initHeight) {
			k.fail("mask", fields.InvalidMask, "the mask has %dx%d pixels, the picture %dx%d", w, h, k.initWidth, k.initHeight)
		}
		k.r.Mask, k.blobs[maskBlob] = maskBlob, k.in.Mask
	}
}

func (k *check) picture(field, code string, data []byte) (w, h int) {
	w, h, err := Size(data)
	switch {
	case err != nil:
		k.fail(field, code, "not a picture that can be read (PNG, JPEG, WebP, GIF, BMP)")
	case w < 1 || h < 1 || w > k.Limits.MaxInputPixels/h:
		k.fail(field, code, "%dx%d pixels: want at least 1 and at most %d", w, h, k.Limits.MaxInputPixels)
	}
	return w, h
}

// kind settles what kind of work it is, and whether the model does it.
func (k *check) kind() {
	t := k.in.Type
	if t == "" {
		switch {
		case k.in.Mask != nil:
			t = job.Inpaint
		case k.in.InitImage != nil:
			t = job.ImageToImage
		case k.m.Can(job.TextToImage):
			t = job.TextToImage
		case k.m.Can(job.ClassToImage):
			t = job.ClassToImage
		default:
			t = job.Uncond
		}
	}
	k.r.Type = t
	needs := map[job.Type]bool{job.ImageToImage: true, job.Inpaint: true, job.Upscale: true}
	switch {
	case !k.m.Can(t):
		tasks := make([]string, len(k.m.Tasks))
		for i, t := range k.m.Tasks {
			tasks[i] = string(t)
		}
		k.fail("type", fields.Unsupported, "model %s does not do %s; it does %s", k.m.ID, t, strings.Join(tasks, ", "))
	case needs[t] && k.in.InitImage == nil:
		k.fail("init_image", fields.Missing, "%s needs a picture", t)
	case t == job.Inpaint && k.in.Mask == nil:
		k.fail("mask", fields.Missing, "inpaint needs a mask")
	case !needs[t] && k.in.InitImage != nil:
		k.fail("init_image", fields.InvalidValue, "%s takes no picture", t)
	case t != job.Inpaint && k.in.Mask != nil:
		k.fail("mask", fields.InvalidValue, "%s takes no mask", t)
	}
}

// texts says, or refuses, what a model without texts would not read.
func (k *check) texts() {
	if k.m.Can(job.TextToImage) || k.r.Prompt == "" && k.r.NegativePrompt == "" {
		return
	}
	if k.in.Strict {
		k.fail("prompt", fields.Unsupported, "model %s takes no text", k.m.ID)
	}
	k.warnings = append(k.warnings, fmt.Sprintf("model %s takes no text: the prompt has no effect", k.m.ID))
}

// loras finds the changes of weights that the prompt asks for.
func (k *check) loras() {
	if _, tags, err := lora.Tags(k.r.NegativePrompt); err != nil || len(tags) > 0 {
		k.fail("negative_prompt", fields.Unsupported, "a LoRA in the negative prompt: want it in the prompt, perhaps with a strength below 0")
	}
	_, tags, err := lora.Tags(k.r.Prompt)
	if err != nil {
		k.fail("prompt", fields.InvalidValue, "%v", err)
	}
	var have catalog.Adapters
	if k.Adapters != nil {
		have = k.Adapters()
	}
	for _, tag := range tags {
		l, ok := have.LoRA(tag.Name)
		if !ok {
			k.fail("prompt", fields.Unsupported, "there is no LoRA %q: %s", tag.Name, known(have.LoRAs))
			return
		}
		k.r.LoRAs = append(k.r.LoRAs, job.LoRA{Name: l.Name, UNet: tag.UNet, Text: tag.Text})
	}
}

// known lists LoRAs for an error.
func known(loras []catalog.LoRA) string {
	const most = 12
	var names []string
	for i, l := range loras {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(loras)-most))
			break
		}
		names = append(names, l.Name)
	}
	if len(names) == 0 {
		return "this server has none (--lora-dir)"
	}
	return "this server has " + strings.Join(names, ", ")
}

// size settles width and height.
func (k *check) size() {
	if k.r.Type == job.Upscale { // the picture decides
		if k.in.Width != nil || k.in.Height != nil {
			k.fail("width", fields.InvalidValue, "upscaling has the size of its picture, times the model's factor")
		}
		return
	}
	k.r.Width = k.whole("width", k.in.Width, int64(k.m.Width), 1, 1<<20)
	k.r.Height = k.whole("height", k.in.Height, int64(k.m.Height), 1, 1<<20)
	for _, side := range []struct {
		name string
		n    int
	}{{"width", k.r.Width}, {"height", k.r.Height}} {
		if low, high := Nearest(side.n, k.m.Unit); low != side.n {
			k.fail(side.name, fields.InvalidValue, "%d: want a multiple of %d; the nearest are %d and %d", side.n, k.m.Unit, low, high)
		}
	}
	if k.r.Width*k.r.Height > k.Limits.MaxPixels {
		k.fail("width", fields.InvalidValue, "%dx%d pixels: want at most %d", k.r.Width, k.r.Height, k.Limits.MaxPixels)
	}
}

// Nearest are the multiples of unit around n, at least one unit; equal to n
// where n is one.
func Nearest(n, unit int) (low, high int) {
	low = max(n/unit*unit, unit)
	if low >= n {
		return low, low
	}
	return low, low + unit
}

// numbers settles counts, seed and strengths.
func (k *check) numbers() {
	k.r.Together = k.in.Together
	k.r.N = k.whole("n", k.in.N, 1, 1, int64(k.Limits.MaxImages))
	k.r.Steps = k.whole("steps", k.in.Steps, int64(k.m.Steps), 1, int64(min(k.Limits.MaxSteps, k.m.Timesteps)))
	k.r.CFGScale = k.number("cfg_scale", k.in.CFGScale, k.m.CFGScale, 0, 100)
	switch {
	case k.in.Seed == nil || *k.in.Seed < 0:
		k.r.Seed = int64(rand.Uint32())
	case *k.in.Seed > maxSeed-int64(k.r.N-1):
		k.fail("seed", fields.InvalidValue, "%d: want at most %d", *k.in.Seed, maxSeed-int64(k.r.N-1))
	default:
		k.r.Seed = *k.in.Seed
	}
	k.r.ClipSkip = 1
	if k.in.ClipSkip != nil && *k.in.ClipSkip > 0 { // 0 and -1: the default
		k.r.ClipSkip = k.whole("clip_skip", k.in.ClipSkip, 1, 1, 12)
		if k.r.ClipSkip > 1 && !k.m.CLIP {
			k.fail("clip_skip", fields.Unsupported, "%d: the text encoder of model %s is not CLIP", k.r.ClipSkip, k.m.ID)
		}
	} else if k.in.ClipSkip != nil && *k.in.ClipSkip < -1 {
		k.fail("clip_skip", fields.InvalidValue, "%d: want 1 to 12", *k.in.ClipSkip)
	}
	if k.r.InitImage == "" {
		return
	}
	k.r.Strength = k.number("strength", k.in.Strength, .75, 0, 1)
	k.r.Resize = k.in.Resize
	if k.r.Mask == "" {
		return
	}
	k.r.MaskBlur = k.number("mask_blur", k.in.MaskBlur, 0, 0, 256)
	if k.in.MaskBlurY != nil {
		y := k.number("mask_blur_y", k.in.MaskBlurY, 0, 0, 256)
		k.r.MaskBlurY = &y
	}
	k.r.Fill, k.r.FullRes = k.in.Fill, k.in.FullRes
	k.r.FullResPadding = k.whole("inpaint_full_res_padding", k.in.FullResPadding, 0, 0, 1024)
}

// sampling settles sampler and schedule.
func (k *check) sampling() {
	sampler, scheduler := strings.TrimSpace(k.in.Sampler), strings.TrimSpace(k.in.Scheduler)
	if strings.EqualFold(scheduler, "automatic") {
		scheduler = ""
	}
	if sampler == "" {
		sampler = k.m.Sampler
		if scheduler == "" {
			scheduler = k.m.Scheduler
		}
	}
	chosen, err := k.Samplers(sampler, scheduler)
	if err != nil {
		k.fail("sampler", fields.Unsupported, "%v", err)
	}
	k.r.Sampler, k.r.Scheduler = chosen.Sampler, chosen.Schedule
	if k.in.Eta == nil {
		return
	}
	eta := k.number("eta", k.in.Eta, 0, 0, 1)
	switch {
	case chosen.UsesEta:
		k.r.Eta = &eta
	case k.in.Strict:
		k.fail("eta", fields.Unsupported, "%s does not use it", chosen.Sampler)
	}
}

// class settles the label of class-conditional models.
func (k *check) class() {
	if k.in.Class != nil && k.m.Classes == 0 {
		k.fail("class", fields.Unsupported, "model %s has no classes", k.m.ID)
		return
	}
	var n int
	switch v := k.in.Class.(type) {
	case nil:
		if k.r.Type == job.ClassToImage {
			k.fail("class", fields.Missing, "want the number of a class, 0 to %d, or its name", k.m.Classes-1)
		}
		return
	case string:
		if n = slices.Index(k.m.Names, v); n < 0 {
			k.fail("class", fields.InvalidValue, "%q is not the name of a class of model %s", v, k.m.ID)
		}
	case int64:
		n = k.whole("class", &v, 0, 0, int64(k.m.Classes-1))
	default:
		k.fail("class", fields.InvalidType, "want the number of a class or its name")
	}
	k.r.Class = &n
}

// output settles the form of the answer.
func (k *check) output() {
	k.r.OutputFormat = k.in.OutputFormat
	switch k.r.OutputFormat {
	case "":
		k.r.OutputFormat = "png"
	case "png", "jpeg", "webp":
	default:
		k.fail("output_format", fields.Unsupported, "%q: want png, jpeg or webp", k.r.OutputFormat)
	}
	k.r.Compression = k.whole("output_compression", k.in.Compression, 100, 0, 100)
	k.r.PreviewEvery = k.whole("preview_every", k.in.PreviewEvery, 0, 0, 1000)
	switch k.r.Priority = k.in.Priority; k.r.Priority {
	case "":
		k.r.Priority = job.Normal
	case job.Low, job.Normal, job.High:
	default:
		k.fail("priority", fields.InvalidValue, "%q: want low, normal or high", k.r.Priority)
	}
	if k.r.Metadata = k.in.Metadata; len(k.r.Metadata) > 16 {
		k.fail("metadata", fields.InvalidValue, "%d pairs: want at most 16", len(k.r.Metadata))
	}
}
