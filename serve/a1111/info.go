package a1111

import (
	"encoding/base64"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
)

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// info is what A1111 says of the pictures it made.
type info struct {
	Prompt             string         `json:"prompt"`
	AllPrompts         []string       `json:"all_prompts"`
	NegativePrompt     string         `json:"negative_prompt"`
	AllNegativePrompts []string       `json:"all_negative_prompts"`
	Seed               int64          `json:"seed"`
	AllSeeds           []int64        `json:"all_seeds"`
	Subseed            int64          `json:"subseed"`
	AllSubseeds        []int64        `json:"all_subseeds"`
	SubseedStrength    float64        `json:"subseed_strength"`
	Width              int            `json:"width"`
	Height             int            `json:"height"`
	SamplerName        string         `json:"sampler_name"`
	CFGScale           float64        `json:"cfg_scale"`
	Steps              int            `json:"steps"`
	BatchSize          int            `json:"batch_size"`
	RestoreFaces       bool           `json:"restore_faces"`
	FaceRestoration    any            `json:"face_restoration_model"`
	ModelName          string         `json:"sd_model_name"`
	ModelHash          string         `json:"sd_model_hash"`
	VAEName            any            `json:"sd_vae_name"`
	VAEHash            any            `json:"sd_vae_hash"`
	SeedResizeFromW    int            `json:"seed_resize_from_w"`
	SeedResizeFromH    int            `json:"seed_resize_from_h"`
	Strength           *float64       `json:"denoising_strength"`
	Extra              map[string]any `json:"extra_generation_params"`
	IndexOfFirstImage  int            `json:"index_of_first_image"`
	Infotexts          []string       `json:"infotexts"`
	Styles             []string       `json:"styles"`
	JobTimestamp       string         `json:"job_timestamp"`
	ClipSkip           int            `json:"clip_skip"`
	InpaintingModel    bool           `json:"is_using_inpainting_conditioning"`
	Version            string         `json:"version"`
}

func newInfo(j job.Job, x extra, m catalog.Model, version string, withImage bool) info {
	r := j.Request
	i := info{
		Prompt: r.Prompt, AllPrompts: []string{}, NegativePrompt: r.NegativePrompt, AllNegativePrompts: []string{},
		Seed: r.Seed, AllSeeds: []int64{}, Subseed: -1, AllSubseeds: []int64{}, Width: r.Width, Height: r.Height,
		SamplerName: r.Sampler, CFGScale: r.CFGScale, Steps: r.Steps, BatchSize: x.Batch, ModelName: m.ID, ModelHash: m.Hash(),
		SeedResizeFromW: -1, SeedResizeFromH: -1, Extra: map[string]any{}, Infotexts: []string{}, Styles: []string{},
		JobTimestamp: j.Created.Format("20060102150405"), ClipSkip: r.ClipSkip, Version: version,
		InpaintingModel: m.Can(job.Inpaint) && !m.Can(job.ImageToImage),
	}
	if withImage {
		i.Strength = &r.Strength
	}
	if r.Scheduler != "" {
		i.Extra["Schedule type"] = r.Scheduler
	}
	for _, img := range j.Images {
		i.AllPrompts = append(i.AllPrompts, r.Prompt)
		i.AllNegativePrompts = append(i.AllNegativePrompts, r.NegativePrompt)
		i.AllSeeds = append(i.AllSeeds, img.Seed)
		i.AllSubseeds = append(i.AllSubseeds, -1)
		i.Infotexts = append(i.Infotexts, img.Infotext)
	}
	return i
}
