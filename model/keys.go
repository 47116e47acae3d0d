package model

import (
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// The prefixes of the parameters of a latent diffusion model.
const (
	PrefixFirstStage  = "first_stage_model"
	PrefixUNet        = "model.diffusion_model"
	PrefixConditioner = "cond_stage_model"
)

// ScheduleBuffers are the arrays of a schedule that the reference's
// checkpoints hold beside the weights.
var ScheduleBuffers = []string{
	"betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
	"log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
	"posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
}

// Names of single numbers in checkpoints, and of the averaged weights.
const (
	NameScaleFactor = "scale_factor"
	NameLogvar      = "logvar" // the learned log-variances, one for each timestep; of training alone
	PrefixEMA       = "model_ema."
	NameV           = "v_pred" // there where the network predicts v
	NameZeroSNR     = "ztsnr"  // there where the last timestep is noise alone
)

// EMAName is the name of the average of a parameter below "model.": the
// reference drops its dots, so that names lead to averages but not back.
func EMAName(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "model.")
	return PrefixEMA + strings.ReplaceAll(rest, ".", ""), ok
}

// StateDict lists every key of the reference's checkpoint of this model with
// its shape: weights, their averages, and buffers.
func (n *Network) StateDict() (map[string]tensor.Shape, error) {
	keys := map[string]tensor.Shape{}
	for _, name := range ScheduleBuffers {
		keys[name] = tensor.Shape{len(n.Schedule.Betas)}
	}
	if n.Params.ScaleByStd {
		keys[NameScaleFactor] = tensor.Shape{}
	}
	if n.Params.LearnLogvar {
		keys[NameLogvar] = tensor.Shape{len(n.Schedule.Betas)}
	}
	b, err := n.smallest()
	if err != nil {
		return nil, err
	}
	averaged := n.Params.UseEMA == nil || *n.Params.UseEMA
	for _, p := range b.Params() {
		keys[p.Name] = p.Shape
		if name, ok := EMAName(p.Name); ok && averaged {
			keys[name] = p.Shape
		}
	}
	if averaged {
		keys[PrefixEMA+"decay"], keys[PrefixEMA+"num_updates"] = tensor.Shape{}, tensor.Shape{}
	}
	stage, err := StageStateDict(n.FirstStage)
	for name, shape := range stage {
		keys[PrefixFirstStage+"."+name] = shape
		if n.Kind == LatentOfItself { // the same tensors once more
			keys[PrefixConditioner+"."+name] = shape
		}
	}
	return keys, err
}

// StageStateDict lists every key of a first stage with its shape, but for
// those of its training objective.
func StageStateDict(cfg autoencoder.Config) (map[string]tensor.Shape, error) {
	specs, err := StageParams(cfg, "")
	return shapes(specs), err
}

func shapes(specs []nn.ParamSpec) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, s := range specs {
		out[s.Name] = s.Shape
	}
	return out
}

// leftovers begin the names of what programs leave in merged checkpoints, and
// nothing reads: other parts of CLIP, learnt words, the safety checker.
var leftovers = []string{
	PrefixConditioner + ".model.logit_scale", PrefixConditioner + ".model.text_projection", PrefixConditioner + ".model.visual.", PrefixConditioner + ".logit_scale", PrefixConditioner + ".text_projection", PrefixConditioner + ".transformer.logit_scale",
	PrefixConditioner + ".transformer.text_projection", PrefixConditioner + ".transformer.visual_projection", PrefixConditioner + ".transformer.vision_model.",
	"embedding_manager.", "safety_checker.", "feature_extractor.",
}

// Leftover tells whether a key is one of those of other programs that nothing
// reads.
func Leftover(name string) bool {
	return slices.ContainsFunc(leftovers, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Stray tells whether a checkpoint may hold a key that is no part of the
// network: buffers, averages, and what belongs to training.
func Stray(name string) bool {
	if Leftover(name) {
		return true
	}
	for _, prefix := range []string{PrefixEMA, NameV, NameZeroSNR, "ddim_", "loss.", PrefixFirstStage + ".loss.", "lvlb_weights", NameLogvar, NameScaleFactor} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(ScheduleBuffers, name) || strings.HasSuffix(name, ".position_ids")
}
