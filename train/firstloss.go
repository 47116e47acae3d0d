package train

import (
	"math"
	"reflect"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/fault"
)

// FirstStageLoss weighs the terms of the first stage's objective (section 3.1
// and supplement G of the paper).
type FirstStageLoss struct {
	L1         float64   `yaml:"l1"`              // mean absolute error of the pixels
	L2         float64   `yaml:"l2"`              // mean squared error of the pixels
	Perceptual float64   `yaml:"perceptual"`      // perceptual distance
	LPIPS      []string  `yaml:"lpips,omitempty"` // files with the weights of LPIPS (vgg) for it; none: LPIPS (squeeze), which is in the program
	KL         float64   `yaml:"kl"`              // divergence from N(0, 1): sum over a latent, mean over the batch
	Codebook   float64   `yaml:"codebook"`        // of a VQ: distance between vectors and codes
	Sum        bool      `yaml:"sum"`             // errors are summed over a picture, as the reference's KL stages do
	Logvar     float64   `yaml:"logvar"`          // with sum: the fixed log-variance that errors are divided by
	Adversary  Adversary `yaml:"discriminator"`
}

// Adversary configures the discriminator; without weight there is none.
type Adversary struct {
	Weight    float64          `yaml:"weight"` // beside the adaptive one
	Start     int              `yaml:"start"`  // steps before it takes part
	Factor    float64          `yaml:"factor"` // of both its losses
	Loss      string           `yaml:"loss"`   // hinge or vanilla
	Channels  int              `yaml:"channels"`
	Layers    int              `yaml:"layers"`
	ActNorm   bool             `yaml:"actnorm"` // in place of batch norms
	Optimizer `yaml:",inline"` // learning_rate 0: train's
}

// Losses of a discriminator.
const (
	lossHinge   = "hinge"
	lossVanilla = "vanilla"
)

func defaultFirstStageLoss() FirstStageLoss {
	return FirstStageLoss{
		L1: 1, Perceptual: .1, KL: 1e-6, Codebook: 1,
		Adversary: Adversary{Factor: 1, Loss: lossHinge, Channels: 64, Layers: 3, Optimizer: Optimizer{Beta1: .5, Beta2: .9}},
	}
}

func (l FirstStageLoss) equal(other FirstStageLoss) bool { return reflect.DeepEqual(l, other) }

func (l FirstStageLoss) validate() error {
	for _, w := range []struct {
		key   string
		value float64
	}{{"l1", l.L1}, {"l2", l.L2}, {"perceptual", l.Perceptual}, {"kl", l.KL}, {"codebook", l.Codebook}, {"discriminator.weight", l.Adversary.Weight}, {"discriminator.factor", l.Adversary.Factor}} {
		if !(w.value >= 0) || math.IsInf(w.value, 0) {
			return fault.Inputf("loss.%s is %g: want 0 or more", w.key, w.value)
		}
	}
	switch {
	case l.L1+l.L2+l.Perceptual == 0:
		return fault.Inputf("loss.l1, l2 and perceptual are all 0: want at least one, or nothing is learned")
	case math.IsNaN(l.Logvar) || math.Abs(l.Logvar) > 30:
		return fault.Inputf("loss.logvar is %g: want -30 to 30", l.Logvar)
	case l.Logvar != 0 && !l.Sum:
		return fault.Inputf("loss.logvar is %g: it has a meaning with loss.sum=true alone", l.Logvar)
	case len(l.LPIPS) > 0 && l.Perceptual == 0:
		return fault.Inputf("loss.lpips is %q, but loss.perceptual is 0", l.LPIPS)
	}
	return l.Adversary.validate()
}

func (a Adversary) validate() error {
	if a.Weight == 0 {
		return nil
	}
	switch {
	case a.Loss != lossHinge && a.Loss != lossVanilla:
		return fault.Inputf("loss.discriminator.loss is %q: want %s or %s", a.Loss, lossHinge, lossVanilla)
	case a.Start < 0:
		return fault.Inputf("loss.discriminator.start is %d: want 0 or more", a.Start)
	}
	if err := a.network().Validate(); err != nil {
		return err
	}
	o := a.Optimizer
	if o.LearningRate == 0 {
		o.LearningRate = 1 // that of train
	}
	return o.validate("loss.discriminator")
}

func (a Adversary) network() discriminator.Config {
	return discriminator.Config{Channels: a.Channels, Layers: a.Layers, ActNorm: a.ActNorm}
}

// Losses of the reference's first stages.
const (
	lossKL       = "ldm.modules.losses.LPIPSWithDiscriminator"
	lossVQ       = "ldm.modules.losses.vqperceptual.VQLPIPSWithDiscriminator"
	lossTaming   = "taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator"
	lossIdentity = "torch.nn.Identity" // of a first stage that is not trained
)

// referenceLoss are the arguments of the reference's losses, with their defaults.
type referenceLoss struct {
	DiscStart       int     `yaml:"disc_start"`
	LogvarInit      float64 `yaml:"logvar_init"`
	KLWeight        float64 `yaml:"kl_weight"`
	CodebookWeight  float64 `yaml:"codebook_weight"`
	PixelLossWeight float64 `yaml:"pixelloss_weight"`
	DiscNumLayers   int     `yaml:"disc_num_layers"`
	DiscInChannels  int     `yaml:"disc_in_channels"`
	DiscFactor      float64 `yaml:"disc_factor"`
	DiscWeight      float64 `yaml:"disc_weight"`
	Perceptual      float64 `yaml:"perceptual_weight"`
	UseActNorm      bool    `yaml:"use_actnorm"`
	DiscConditional bool    `yaml:"disc_conditional"`
	DiscLoss        string  `yaml:"disc_loss"`
	DiscNDF         int     `yaml:"disc_ndf"`
	NClasses        int     `yaml:"n_classes"`
	PerceptualLoss  string  `yaml:"perceptual_loss"`
	PixelLoss       string  `yaml:"pixel_loss"`
}

// fromReference reads a lossconfig; has is false where a YAML has none that trains.
func fromReference(cfg autoencoder.Config) (l FirstStageLoss, has bool, err error) {
	name, _ := cfg.LossConfig["target"].(string)
	if name == "" || name == lossIdentity {
		return l, false, nil
	}
	known := map[string]autoencoder.Kind{lossKL: autoencoder.KL, lossVQ: autoencoder.VQ, lossTaming: autoencoder.VQ}
	kind, ok := known[name]
	if !ok || kind != cfg.Kind {
		return l, false, fault.Inputf("lossconfig of a %s first stage has target %q: want %s, or for a VQ %s or %s", cfg.Kind, name, lossKL, lossTaming, lossVQ)
	}
	r := referenceLoss{KLWeight: 1, CodebookWeight: 1, PixelLossWeight: 1, DiscNumLayers: 3, DiscInChannels: 3, DiscFactor: 1, DiscWeight: 1,
		Perceptual: 1, DiscLoss: lossHinge, DiscNDF: 64, PerceptualLoss: "lpips", PixelLoss: "l1"}
	params, _ := cfg.LossConfig["params"].(map[string]any)
	if err := (config.Target{Target: name, Params: params}).Decode(&r); err != nil {
		return l, false, fault.As(fault.Input, err)
	}
	switch {
	case r.DiscConditional:
		err = fault.Inputf("lossconfig: disc_conditional true is not supported: want false")
	case r.PixelLossWeight != 1:
		err = fault.Inputf("lossconfig: pixelloss_weight %g: the reference never uses it; want 1 (or write loss: {l1: …})", r.PixelLossWeight)
	case r.DiscInChannels != cfg.DD.OutCh:
		err = fault.Inputf("lossconfig: disc_in_channels %d: want %d, the channels of the pictures", r.DiscInChannels, cfg.DD.OutCh)
	case r.PerceptualLoss != "lpips":
		err = fault.Inputf("lossconfig: perceptual_loss %q: want lpips", r.PerceptualLoss)
	case !slices.Contains([]string{"l1", "l2"}, r.PixelLoss):
		err = fault.Inputf("lossconfig: pixel_loss %q: want l1 or l2", r.PixelLoss)
	case r.NClasses != 0 && r.NClasses != cfg.NEmbed:
		err = fault.Inputf("lossconfig: n_classes %d: want n_embed, %d", r.NClasses, cfg.NEmbed)
	}
	l = defaultFirstStageLoss()
	l.L1, l.L2 = 1, 0
	if r.PixelLoss == "l2" {
		l.L1, l.L2 = 0, 1
	}
	l.Perceptual, l.KL, l.Codebook, l.Logvar = r.Perceptual, r.KLWeight, r.CodebookWeight, r.LogvarInit
	l.Sum = kind == autoencoder.KL
	a := &l.Adversary
	a.Weight, a.Start, a.Factor, a.Loss, a.Channels, a.Layers, a.ActNorm = r.DiscWeight, r.DiscStart, r.DiscFactor, r.DiscLoss, r.DiscNDF, r.DiscNumLayers, r.UseActNorm
	return l, true, err
}
