// Package intake turns what a client asks for into a job: it fills in the
// model's defaults and checks everything before any work. All interfaces of
// the server go through it, so that they take the same values and refuse the
// same ones.
package intake

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

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
	Controls       []Control
	Savings

	// Database and Neighbours are for models that are conditioned on vectors of CLIP.
	Database   string
	Neighbours *int64

	// Strict refuses what would have no effect. Clients of the other interfaces
	// send such fields without being asked; there it is a warning, or nothing.
	Strict bool
	// Names are those of the fields in the client's interface, where they differ
	// from this program's: they stand in errors.
	Names map[string]string
}

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
	k.controls()
	k.savings()
	k.retrieval()
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
	head, rest, inner := strings.Cut(field, "[")
	if name := k.in.Names[head]; name != "" {
		if field = name; inner {
			at, of, _ := strings.Cut(rest, "].")
			field += "[" + at + "]." + cmp.Or(k.in.Names[head+"[]."+of], of)
		}
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
