package intake

import (
	"math/rand/v2"
	"strings"

	"github.com/ldm-go/ldm/serve/fields"
)

// Sampling is a sampler and a schedule as their names are written; the schedule
// is "" for the sampler's own.
type Sampling struct {
	Sampler, Schedule string
	UsesEta           bool
}

// Samplers checks the names of a sampler and a schedule, "" for the default.
type Samplers func(sampler, scheduler string) (Sampling, error)

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
