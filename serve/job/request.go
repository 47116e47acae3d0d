package job

import (
	"encoding/json"
	"fmt"
)

// Type is a kind of work.
type Type string

// The kinds of work.
const (
	TextToImage  Type = "txt2img"
	ImageToImage Type = "img2img"
	Inpaint      Type = "inpaint"
	ClassToImage Type = "class2img"
	Uncond       Type = "uncond"
	Upscale      Type = "upscale"
)

// Priority orders the jobs of one key.
type Priority string

// The priorities.
const (
	Low    Priority = "low"
	Normal Priority = "normal"
	High   Priority = "high"
)

// Rank is larger for what comes first.
func (p Priority) Rank() int {
	switch p {
	case High:
		return 1
	case Low:
		return -1
	}
	return 0
}

// Request is what a job makes, as it will run: every default is filled in and
// the seed is known. Pictures are names of blobs.
type Request struct {
	Type           Type       `json:"type"`
	Model          string     `json:"model"`
	Prompt         string     `json:"prompt"`
	NegativePrompt string     `json:"negative_prompt"`
	N              int        `json:"n"`
	Together       int        `json:"together,omitempty"` // computed together at most; 0: any number
	Seed           int64      `json:"seed"`               // picture i has Seed + i
	Width          int        `json:"width"`
	Height         int        `json:"height"`
	Steps          int        `json:"steps"`
	CFGScale       float64    `json:"cfg_scale"`
	Sampler        string     `json:"sampler"`
	Scheduler      string     `json:"scheduler"`
	Eta            *float64   `json:"eta"` // none: the sampler's own
	ClipSkip       int        `json:"clip_skip"`
	LoRAs          []LoRA     `json:"loras,omitempty"` // that the prompt asks for
	Class          *int       `json:"class,omitempty"`
	InitImage      string     `json:"init_image,omitempty"`
	Mask           string     `json:"mask,omitempty"` // white: repaint
	MaskBlur       float64    `json:"mask_blur,omitempty"`
	MaskBlurY      *float64   `json:"mask_blur_y,omitempty"` // none: as MaskBlur
	Strength       float64    `json:"strength,omitempty"`
	Resize         ResizeMode `json:"resize,omitempty"`
	Fill           Fill       `json:"fill,omitempty"`
	FullRes        bool       `json:"full_res,omitempty"` // work on the masked area alone, at the whole size
	FullResPadding int        `json:"full_res_padding,omitempty"`
	Controls       []Control  `json:"controls,omitempty"`
	Database       string     `json:"database,omitempty"` // in which neighbours of the text are looked for
	Neighbours     int        `json:"neighbours,omitempty"`
	Savings
	OutputFormat string            `json:"output_format"`
	Compression  int               `json:"output_compression,omitempty"`
	PreviewEvery int               `json:"preview_every,omitempty"`
	FullPreview  bool              `json:"full_preview,omitempty"` // previews of the whole size, not small ones
	Priority     Priority          `json:"priority"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// Savings are what is given up for speed; zeros: nothing.
type Savings struct {
	TokenMerging     float64     `json:"token_merging,omitempty"`     // share of tokens
	DeepCache        int         `json:"deep_cache,omitempty"`        // evaluations that share deep features
	DeepCacheBranch  int         `json:"deep_cache_branch,omitempty"` // 0: the fewest blocks
	AdaptiveGuidance float64     `json:"adaptive_guidance,omitempty"` // cosine similarity that ends the guidance
	CFGInterval      *[2]float64 `json:"cfg_interval,omitempty"`      // shares of the steps with guidance
}

// Control is a ControlNet that a request asks for, by the name of the server.
type Control struct {
	Model    string     `json:"model"`
	Image    string     `json:"image"` // a blob
	Strength float64    `json:"strength"`
	Start    float64    `json:"start"`
	End      float64    `json:"end"`
	Resize   ResizeMode `json:"resize,omitempty"`
}

// LoRA is a change of weights that a prompt asks for, by the name of the server.
type LoRA struct {
	Name string  `json:"name"`
	UNet float64 `json:"unet"`
	Text float64 `json:"text"`
}

// ResizeMode is how a start picture of another size is made to fit.
type ResizeMode string

// The ways to fit a picture.
const (
	Stretch ResizeMode = ""
	Crop    ResizeMode = "crop"
	Pad     ResizeMode = "pad"
	Latent  ResizeMode = "latent"
)

// Fill is what the masked area begins with.
type Fill string

// What a masked area begins with.
const (
	FillOriginal Fill = ""
	FillBlur     Fill = "fill"
	FillNoise    Fill = "noise"
	FillZeros    Fill = "zeros"
)

// Cost is the work of a request, in steps times pixels.
func (r Request) Cost() int64 {
	return int64(max(r.N, 1)) * int64(max(r.Steps, 1)) * int64(max(r.Width*r.Height, 1))
}

// Class is what must be equal for jobs to be computed together. Prompt, seed
// and scale may differ by picture.
type Class struct {
	Model, Sampler, Scheduler string
	Type                      Type
	Width, Height, Steps      int
	ClipSkip                  int
	LoRAs, Savings, Database  string
	Neighbours                int
	Eta                       float64
	Guided                    bool
}

// Batch returns the class of a request, and whether it may be computed with
// others at all: work that begins with a picture, or is tied to one, runs alone.
func (r Request) Batch() (Class, bool) {
	eta := -1.0
	if r.Eta != nil {
		eta = *r.Eta
	}
	c := Class{
		Model: r.Model, Sampler: r.Sampler, Scheduler: r.Scheduler, Type: r.Type, Width: r.Width, Height: r.Height,
		Steps: r.Steps, ClipSkip: r.ClipSkip, Eta: eta, Guided: r.CFGScale != 1, Database: r.Database, Neighbours: r.Neighbours,
	}
	if r.Savings != (Savings{}) {
		s, _ := json.Marshal(r.Savings) // it has numbers alone
		c.Savings = string(s)
	}
	if len(r.LoRAs) > 0 {
		c.LoRAs = fmt.Sprint(r.LoRAs)
	}
	return c, r.InitImage == "" && len(r.Controls) == 0
}
