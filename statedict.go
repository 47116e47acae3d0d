package ldm

import (
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/tensor"
)

// scheduleBuffers are the arrays of a schedule that the reference's
// checkpoints hold beside the weights.
var scheduleBuffers = []string{
	"betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
	"log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
	"posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
}

// Names of single numbers in checkpoints, and of the averaged weights.
const (
	keyScaleFactor = "scale_factor"
	keyLogvar      = "logvar"
	prefixEMA      = "model_ema."
)

// emaName is the name of the average of a parameter below "model.": the
// reference drops its dots, so that names lead to averages but not back.
func emaName(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "model.")
	return prefixEMA + strings.ReplaceAll(rest, ".", ""), ok
}

// StateDict lists every key of the reference's checkpoint of this model with
// its shape: weights, their averages, and buffers.
func (n *Network) StateDict() (map[string]tensor.Shape, error) {
	keys := map[string]tensor.Shape{}
	for _, name := range scheduleBuffers {
		keys[name] = tensor.Shape{len(n.Schedule.Betas)}
	}
	if n.Params.ScaleByStd {
		keys[keyScaleFactor] = tensor.Shape{}
	}
	if n.Params.LearnLogvar {
		keys[keyLogvar] = tensor.Shape{len(n.Schedule.Betas)}
	}
	b, err := n.smallest()
	if err != nil {
		return nil, err
	}
	averaged := n.Params.UseEMA == nil || *n.Params.UseEMA
	for _, p := range b.Params() {
		keys[p.Name] = p.Shape
		if name, ok := emaName(p.Name); ok && averaged {
			keys[name] = p.Shape
		}
	}
	if averaged {
		keys[prefixEMA+"decay"], keys[prefixEMA+"num_updates"] = tensor.Shape{}, tensor.Shape{}
	}
	stage, err := StageStateDict(n.FirstStage)
	for name, shape := range stage {
		keys[PrefixFirstStage+"."+name] = shape
		if n.Conditioner.Target == FirstStageAsCond { // the same tensors once more
			keys[prefixConditioner+"."+name] = shape
		}
	}
	return keys, err
}

// StageStateDict lists every key of a first stage with its shape, but for
// those of its training objective.
func StageStateDict(cfg autoencoder.Config) (map[string]tensor.Shape, error) {
	specs, err := firstStageParams(cfg, "")
	return shapes(specs), err
}
