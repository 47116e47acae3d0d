package model

import (
	"slices"
	"strings"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// diffusionTargets are the targets of latent diffusion models. What sets them
// apart in the reference's forks is how they are trained, and which pictures of a
// batch are joined to the latent.
var diffusionTargets = []string{config.TargetLatentDiffusion, config.TargetLatentInpaint, config.TargetLatentEdit}

// IsDiffusion tells whether a configuration is that of a latent diffusion model,
// not of a first stage.
func IsDiffusion(t config.Target) bool {
	return slices.Contains(diffusionTargets, t.Target) || strings.HasSuffix(t.Target, ".ddpm_edit.LatentDiffusion") // in whatever program
}

// relatives are models that are known by name and not supported, by a piece of
// their targets.
var relatives = []struct{ piece, what string }{
	{"FrozenOpenCLIPEmbedder2", "a text encoder of Stable Diffusion XL"},
	{"FrozenOpenCLIPImageEmbedder", "the picture encoder of Stable unCLIP"},
	{"FrozenCLIPImageEmbedder", "the picture encoder of image variations and zero-1-to-3"},
	{"ClipImageProjector", "the picture encoder of image variations"},
	{"FrozenCLIPTextEmbedder", "the text encoder of retrieval-augmented models"},
	{"FrozenT5Embedder", "T5, the text encoder of other models"},
	{"FrozenCLIPT5Encoder", "CLIP and T5 together"},
	{"BertSeriesModelWithTransformation", "the text encoder of AltDiffusion"},
	{"XLMRoberta", "the text encoder of AltDiffusion"},
	{"LatentDepth2ImageDiffusion", "Stable Diffusion v2 with a depth map"},
	{"LatentUpscaleDiffusion", "Stable Diffusion's upscaler by 4"},
	{"LatentUpscaleFinetuneDiffusion", "Stable Diffusion's upscaler by 4"},
	{"ImageEmbeddingConditionedLatentDiffusion", "Stable unCLIP"},
	{"LatentFinetuneDiffusion", "a relative of Stable Diffusion v2"},
	{"ControlLDM", "a ControlNet"},
	{"ControlledUnetModel", "the U-Net of a ControlNet"},
	{"sgm.models.diffusion.DiffusionEngine", "Stable Diffusion XL or a video model"},
	{"ldm.models.diffusion.ddpm.DDPM", "a diffusion model of pixels"},
	{"GumbelVQ", "a first stage with a Gumbel quantiser"},
	{"VQSegmentationModel", "a first stage of segmentation maps"},
	{"Net2NetTransformer", "a transformer of taming-transformers"},
	{"openaimodel.EncoderUNetModel", "a classifier"},
	{"SuperResModel", "a super-resolution model of guided diffusion"},
}

// relative says what a target is that is known and not supported, or "".
func relative(target string) string {
	what := ""
	longest := 0
	for _, r := range relatives {
		if strings.HasSuffix("."+target, "."+r.piece) && len(r.piece) > longest {
			what, longest = r.what, len(r.piece)
		}
	}
	return what
}

// unknown is the error for a target that is not among those known.
func unknown(what, target string, known ...string) error {
	known = slices.Sorted(slices.Values(known))
	switch name := relative(target); {
	case target == "":
		return fault.Inputf("%s: no target: want one of %s", what, strings.Join(known, ", "))
	case name != "":
		return fault.Unsupportedf("%s: %s is %s, which is not supported", what, target, name)
	}
	return fault.Unsupportedf("%s: unknown target %q; known are %s", what, target, strings.Join(known, ", "))
}
