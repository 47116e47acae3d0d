package recognise

import (
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/unet"
)

// published is what a published model has that its weights do not show, with
// what of the structure tells that a model is like it.
type published struct {
	name string

	// What tells; 0 or "" is anything, a context of none is no cross-attention.
	in, out, channels, context int
	scaleShift                 bool
	cond                       string

	// What the name needs besides.
	mult  []int
	depth int // of the spatial transformers; 0: 1
	stage string

	// What is assumed.
	start, end    float64 // of the noise schedule
	scale         float64 // on latents; 0: 1
	scaleByStd    bool
	loss          string
	imageSize     int
	heads         int
	headChannels  int
	notLegacy     bool
	oneHeadByDate bool // its YAML says num_head_channels 32, which the code of its training ignored
}

const none = -1

// models are the published latent diffusion models, then their relatives by
// the condition, then all others.
var models = []published{
	{name: "Stable Diffusion v1", in: 4, out: 4, channels: 320, context: 768, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, heads: 8, notLegacy: true},
	{name: "Stable Diffusion v1 inpainting", in: 9, out: 4, channels: 320, context: 768, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, heads: 8, notLegacy: true},
	{name: "instruct-pix2pix", in: 8, out: 4, channels: 320, context: 768, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, heads: 8, notLegacy: true},
	{name: "Stable Diffusion v2", in: 4, out: 4, channels: 320, context: 1024, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, headChannels: 64, notLegacy: true},
	{name: "Stable Diffusion v2 inpainting", in: 9, out: 4, channels: 320, context: 1024, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, headChannels: 64, notLegacy: true},
	{name: "LDM text-to-image 1.45B", in: 4, out: 4, channels: 320, context: 1280, mult: []int{1, 2, 4, 4}, stage: "kl-f8",
		start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 32, heads: 8, notLegacy: true},
	{name: "RDM 768x768", in: 16, out: 16, channels: 448, context: 768, mult: []int{1, 2, 3, 4}, stage: "kl-f16",
		start: 0.0015, end: 0.015, scale: 0.22765929, loss: "l2", imageSize: 48, headChannels: 32},
	{name: "LDM LSUN churches 256", in: 4, out: 4, channels: 192, context: none, scaleShift: true, cond: config.Unconditional, mult: []int{1, 2, 2, 4, 4}, stage: "kl-f8",
		start: 0.0015, end: 0.0155, scaleByStd: true, loss: "l1", imageSize: 32, heads: 8},
	{name: "LDM cin256-v2", in: 3, out: 3, channels: 192, context: 512, mult: []int{1, 2, 3, 5}, stage: "vq-f4",
		start: 0.0015, end: 0.0195, loss: "l2", imageSize: 64, heads: 1},
	{name: "LDM cin256", in: 4, out: 4, channels: 256, context: 512, mult: []int{1, 2, 4}, stage: "vq-f8",
		start: 0.0015, end: 0.0195, loss: "l2", imageSize: 32, heads: 1, oneHeadByDate: true},
	{name: "LDM text2img256", in: 3, out: 3, channels: 192, context: 640, mult: []int{1, 2, 3, 5}, stage: "vq-f4",
		start: 0.0015, end: 0.0195, loss: "l2", imageSize: 64, heads: 1, oneHeadByDate: true},
	{name: "LDM layout2img-openimages256", in: 3, out: 3, channels: 128, context: 512, cond: config.TargetTransformer, mult: []int{1, 2, 3, 4}, depth: 3, stage: "vq-f4",
		start: 0.0015, end: 0.0205, loss: "l1", imageSize: 64, heads: 1, oneHeadByDate: true},
	{name: "LDM CelebA-HQ, FFHQ or LSUN bedrooms 256", in: 3, out: 3, channels: 224, context: none, cond: config.Unconditional, mult: []int{1, 2, 3, 4}, stage: "vq-f4",
		start: 0.0015, end: 0.0195, loss: "l2", imageSize: 64, headChannels: 32},
	{name: "LDM bsr_sr", in: 6, out: 3, channels: 160, context: none, cond: config.TargetIdentity, mult: []int{1, 2, 2, 4}, stage: "vq-f4",
		start: 0.0015, end: 0.0155, loss: "l2", imageSize: 64, headChannels: 32},
	{name: "LDM inpainting_big", in: 7, out: 3, channels: 256, context: none, cond: config.FirstStageAsCond, mult: []int{1, 2, 3, 4}, stage: "vq-f4-noattn",
		start: 0.0015, end: 0.0205, loss: "l1", imageSize: 64, heads: 8},
	{name: "LDM semantic_synthesis256 or 512", in: 6, out: 3, channels: 128, context: none, cond: config.TargetSpatialRescaler, mult: []int{1, 4, 8}, stage: "vq-f4",
		start: 0.0015, end: 0.0205, loss: "l1", imageSize: 64, heads: 8},
	{cond: config.TargetFrozenOpenCLIP, start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, headChannels: 64, notLegacy: true},
	{context: 768, cond: config.TargetFrozenCLIP, start: 0.00085, end: 0.012, scale: 0.18215, loss: "l2", imageSize: 64, heads: 8},
	{cond: config.FirstStageAsCond, start: 0.0015, end: 0.0205, loss: "l1", imageSize: 32, heads: 8},
	{cond: config.TargetSpatialRescaler, start: 0.0015, end: 0.0205, loss: "l1", imageSize: 32, heads: 8},
	{start: 0.0015, end: 0.0195, loss: "l2", imageSize: 32, heads: 8},
}

// publishedLike is the first of the models that a structure is like.
func publishedLike(u unet.Config, cond string) published {
	like := func(p published) bool {
		context := p.context == 0 || p.context == u.ContextDim || p.context == none && !u.UseSpatialTransformer
		return context && fits(p.in, u.InChannels) && fits(p.out, u.OutChannels) && fits(p.channels, u.ModelChannels) &&
			fits(p.cond, cond) && (!p.scaleShift || u.UseScaleShiftNorm) && (!p.oneHeadByDate || p.structure(u))
	}
	return models[slices.IndexFunc(models, like)]
}

// fits tells whether a value is the wanted one, where one is wanted.
func fits[T comparable](want, got T) bool {
	var zero T
	return want == zero || want == got
}

// structure tells whether a U-Net has the levels of the published one.
func (p published) structure(u unet.Config) bool {
	return u.NumResBlocks == 2 && slices.Equal(p.mult, u.ChannelMult) && u.TransformerDepth == max(p.depth, 1)
}

// nameOf is the name, where the structure is that of the published model
// throughout.
func (p published) nameOf(u unet.Config, stage firstStage) string {
	if p.structure(u) && stage.name() == p.stage {
		return p.name
	}
	return ""
}

// params are the arguments of the diffusion model that the file does not show.
func (p published) params(m *Model, shapes map[string][]int) map[string]any {
	like := "in most of the paper's models"
	if p.name != "" {
		like = "in " + p.name
	}
	params := map[string]any{
		"linear_start": p.start, "linear_end": p.end, "timesteps": 1000, "parameterization": "eps", "loss_type": p.loss,
		"first_stage_key": "image", "image_size": p.imageSize,
	}
	m.assume("noise schedule: 1000 steps from %g to %g, as %s (timesteps, linear_start, linear_end)", p.start, p.end, like)
	m.assume("the U-Net predicts the noise (parameterization: eps, else x0 or v; --prediction says otherwise)")
	m.assume("latents of %dx%d (image_size) and, in training, the loss %s (loss_type)", p.imageSize, p.imageSize, p.loss)
	_, stored := shapes["scale_factor"]
	switch {
	case stored:
		params["scale_by_std"] = true
	case p.scaleByStd:
		params["scale_by_std"] = true
		m.assume("latents times 1: %s the factor is measured in training, but the file does not hold it (scale_factor)", like)
	case p.scale != 0:
		params["scale_factor"] = p.scale
		m.assume("latents times %g, as %s (scale_factor)", p.scale, like)
	default:
		params["scale_factor"] = 1.0
		m.assume("latents times 1 (scale_factor)")
	}
	return params
}

// headsOf is the number of heads, or the channels of each, that a U-Net like this one
// is assumed to have.
func (p published) headsOf(u unet.Config) (heads, channels int) {
	if p.headChannels > 0 && u.ModelChannels%p.headChannels == 0 {
		return 0, p.headChannels
	}
	if p.heads == 0 {
		return 8, 0
	}
	return p.heads, 0
}

// assumeHeads says what was assumed of attention.
func (p published) assumeHeads(m *Model, u unet.Config) {
	switch {
	case p.oneHeadByDate:
		m.assume("one attention head: %s was trained with one, although its YAML says num_head_channels 32 (num_heads)", p.name)
	default:
		if heads, channels := p.headsOf(u); channels > 0 {
			m.assume("attention heads of %d channels (num_head_channels)", channels)
		} else {
			m.assume("%d attention heads at each level (num_heads)", heads)
		}
	}
	if !u.UseSpatialTransformer {
		m.assume("q, k and v of attention blocks are stored head by head (use_new_attention_order)")
	}
}

// stages are the published autoencoders. All have 128 channels, two residual
// blocks a level and pictures of three channels.
var stages = []struct {
	name      string
	nEmbed, z int
	mult      []int
	attn      []int
	attnType  autoencoder.Attention
}{
	{"kl-f4", 0, 3, []int{1, 2, 4}, nil, autoencoder.AttnVanilla},
	{"kl-f8", 0, 4, []int{1, 2, 4, 4}, nil, autoencoder.AttnVanilla},
	{"kl-f16", 0, 16, []int{1, 1, 2, 2, 4}, []int{16}, autoencoder.AttnVanilla},
	{"kl-f32", 0, 64, []int{1, 1, 2, 2, 4, 4}, []int{16, 8}, autoencoder.AttnVanilla},
	{"vq-f4", 8192, 3, []int{1, 2, 4}, nil, autoencoder.AttnVanilla},
	{"vq-f4-noattn", 8192, 3, []int{1, 2, 4}, nil, autoencoder.AttnNone},
	{"vq-f8", 16384, 4, []int{1, 2, 2, 4}, []int{32}, autoencoder.AttnVanilla},
	{"vq-f8-n256", 256, 4, []int{1, 2, 2, 4}, []int{32}, autoencoder.AttnVanilla},
	{"vq-f16", 16384, 8, []int{1, 1, 2, 2, 4}, []int{16}, autoencoder.AttnVanilla},
}

// name is that of the published autoencoder of this structure, or "".
func (c firstStage) name() string {
	d := c.DD
	if d.Ch != 128 || d.NumResBlocks != 2 || d.InChannels != 3 || d.OutCh != 3 || d.ZChannels != c.EmbedDim {
		return ""
	}
	for _, s := range stages {
		if s.nEmbed == c.NEmbed && s.z == c.EmbedDim && slices.Equal(s.mult, d.ChMult) && slices.Equal(s.attn, d.AttnResolutions) && s.attnType == d.AttnType {
			return s.name
		}
	}
	return ""
}
