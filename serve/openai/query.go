package openai

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/intake"
)

// query is a request of this interface, read.
type query struct {
	model    catalog.Model
	in       intake.Input
	auto     bool // the size is the picture's, or the model's
	url      bool
	stream   bool
	partials int
	quality  string
	event    string
}

// names are this interface's names of fields, for errors.
var names = map[string]string{"width": "size", "height": "size", "init_image": "image"}

// read reads what generations and edits have in common.
func (a API) read(f *fields.Fields) (*query, error) {
	q := &query{in: intake.Input{
		Prompt: f.Text("prompt"), NegativePrompt: f.Text("negative_prompt"), Seed: f.Int("seed"), Steps: f.Int("steps"),
		CFGScale: f.Float("cfg_scale"), Sampler: f.Text("sampler"), Scheduler: f.Text("scheduler"), Eta: f.Float("eta"),
		ClipSkip: f.Int("clip_skip"), OutputFormat: f.Text("output_format"), Compression: f.Int("output_compression"), Names: names,
	}}
	if q.in.CFGScale == nil {
		q.in.CFGScale = f.Float("guidance_scale")
	}
	if q.in.Sampler == "" {
		q.in.Sampler = f.Text("sampler_name")
	}
	if _, isText := f.Any("class").(string); isText {
		q.in.Class = f.Text("class")
	} else if n := f.Int("class"); n != nil {
		q.in.Class = *n
	}
	if q.in.N = f.Int("n"); q.in.N != nil && (*q.in.N < 1 || *q.in.N > 10) {
		f.Fail("n", fields.InvalidValue, "%d: want 1 to 10", *q.in.N)
	}
	name := f.Text("model")
	q.size(f)
	q.form(f)
	refuseUndone(f)
	if err := f.Err(); err != nil {
		return nil, err
	}
	var err error
	if q.model, err = a.find(name); err != nil {
		return nil, fmt.Errorf("%w: %q", err, name)
	}
	q.effort(f, a.Check.Limits.MaxSteps)
	return q, f.Err()
}

// size reads "WIDTHxHEIGHT" or "auto".
func (q *query) size(f *fields.Fields) {
	text := strings.ToLower(f.Text("size"))
	if q.auto = text == "" || text == "auto"; q.auto {
		return
	}
	ws, hs, ok := strings.Cut(text, "x")
	w, errW := strconv.ParseInt(ws, 10, 32)
	h, errH := strconv.ParseInt(hs, 10, 32)
	if !ok || errW != nil || errH != nil {
		f.Fail("size", fields.InvalidValue, "%q: want auto or WIDTHxHEIGHT, as 512x512", text)
		return
	}
	q.in.Width, q.in.Height = &w, &h
}

// form reads how the answer is to look.
func (q *query) form(f *fields.Fields) {
	switch text := f.Text("response_format"); text {
	case "", "b64_json":
	case "url":
		q.url = true
	default:
		f.Fail("response_format", fields.Unsupported, "%q: want b64_json or url", text)
	}
	q.stream = f.True("stream")
	if n := f.Int("partial_images"); n != nil {
		switch {
		case *n < 0 || *n > 3:
			f.Fail("partial_images", fields.InvalidValue, "%d: want 0 to 3", *n)
		case *n > 0 && !q.stream:
			f.Fail("partial_images", fields.InvalidValue, "they come with stream alone")
		}
		q.partials = int(*n)
	}
	switch text := f.Text("background"); text {
	case "", "auto", "opaque":
	case "transparent":
		f.Fail("background", fields.Unsupported, "pictures are opaque: want auto or opaque")
	default:
		f.Fail("background", fields.InvalidValue, "%q: want auto or opaque", text)
	}
	for _, name := range []string{"user", "safety_identifier"} {
		if len(f.Text(name)) > 512 {
			f.Fail(name, fields.InvalidValue, "want at most 512 characters")
		}
	}
}

// refuseUndone refuses what would make something else of the answer.
func refuseUndone(f *fields.Fields) {
	for _, name := range []string{"frame_count", "frame_duration_ms", "svg", "markup"} {
		if f.Has(name) {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
}

// effort turns quality into steps, where steps are not given.
func (q *query) effort(f *fields.Fields, most int) {
	steps := int64(q.model.Steps)
	switch text := f.Text("quality"); text {
	case "", "auto", "medium", "standard":
		q.quality = "medium"
	case "low":
		q.quality, steps = "low", max(steps/2, 1)
	case "high", "xhigh", "max", "hd":
		q.quality, steps = "high", min(2*steps, int64(min(most, q.model.Timesteps)))
	default:
		f.Fail("quality", fields.InvalidValue, "%q: want auto, low, medium or high", text)
	}
	if q.in.Steps == nil {
		q.in.Steps = &steps
	}
}
