// Package model is the structure of latent diffusion models: what the reference's
// YAML says, decoded and checked, the graphs that follow from it, and the names
// under which a checkpoint holds the parameters. It knows neither files nor engines.
package model

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/unet"
)

// Network is the structure of a latent diffusion model: everything but weights.
type Network struct {
	Conditioner
	Params      Params
	Schedule    *diffusion.Schedule
	UNet        unet.Config
	FirstStage  autoencoder.Config
	Key         Key
	ScaleFactor float32
	Ignored     []string // keys of the YAML that matter to training alone, in programs other than this
}

// New decodes the configuration of a LatentDiffusion.
func New(t config.Target) (*Network, error) {
	if !IsDiffusion(t) {
		return nil, unknown("model", t.Target, diffusionTargets...)
	}
	n := &Network{Params: Params{Config: diffusion.Default()}}
	t, n.Ignored = t.Without(trainingKeys...)
	if err := t.Decode(&n.Params); err != nil {
		return nil, err
	}
	var err error
	if n.Schedule, err = diffusion.NewSchedule(n.Params.Config); err != nil {
		return nil, err
	}
	stage, ignored := n.Params.FirstStage.Without(stageTrainingKeys...)
	for _, key := range ignored {
		n.Ignored = append(n.Ignored, "first_stage_config.params."+key)
	}
	if n.FirstStage, err = DecodeStage(stage); err != nil {
		return nil, err
	}
	if n.UNet, err = decodeUNet(n.Params.UNet); err != nil {
		return nil, err
	}
	n.ScaleFactor = 1
	if said := t.Params["scale_factor"]; said != nil {
		if n.ScaleFactor = float32(n.Params.ScaleFactor); !(n.ScaleFactor > 0) || math.IsInf(float64(n.ScaleFactor), 0) {
			return nil, fault.Inputf("scale_factor is %g: want more than 0, or no such key for 1", n.Params.ScaleFactor)
		}
	}
	if n.Conditioner, err = decodeConditioner(t); err != nil {
		return nil, err
	}
	n.Key = n.Params.key(n.Conditioner.Kind)
	if err := n.checkParams(); err != nil {
		return nil, err
	}
	return n, n.checkKey()
}

// checkParams wants parts that fit to each other, and refuses what of the
// reference's is not here.
func (n *Network) checkParams() error {
	p, c := n.Params, n.LatentChannels()
	switch {
	case n.FirstStage.LatentChannels() != c:
		return fault.Inputf("the first stage has latents of %d channels, the U-Net has out_channels %d: want the same", n.FirstStage.LatentChannels(), c)
	case p.Channels != 0 && p.Channels != c:
		return fault.Inputf("channels %d: want out_channels of the U-Net, %d", p.Channels, c)
	case p.NumTimestepsCond != 0 && p.NumTimestepsCond != 1:
		return fault.Unsupportedf("num_timesteps_cond %d: conditions are not noised here; want 1", p.NumTimestepsCond)
	case p.CondStageForward != "":
		return fault.Unsupportedf("cond_stage_forward %q: want none", p.CondStageForward)
	case p.ImageSize < 0:
		return fault.Inputf("image_size %d: want the side of a latent", p.ImageSize)
	}
	return n.checkConcatKeys()
}

// checkConcatKeys wants the mask and the picture, in any order.
func (n *Network) checkConcatKeys() error {
	picture := n.Params.MaskedImageKey
	if picture == "" {
		picture = "masked_image"
	}
	keys := slices.Sorted(slices.Values(n.Params.ConcatKeys))
	if len(keys) == 0 || slices.Equal(keys, []string{maskKey, picture}) || slices.Equal(keys, []string{picture, maskKey}) {
		return nil
	}
	return fault.Unsupportedf("concat_keys %v: want %s and %s", n.Params.ConcatKeys, maskKey, picture)
}

// checkKey wants a U-Net that takes a condition in the way of the key.
func (n *Network) checkKey() error {
	switch {
	case n.Key == KeyConcat && n.UNet.InChannels <= n.UNet.OutChannels:
		return fault.Inputf("the condition is joined to the latent (conditioning_key concat, the default), but in_channels %d leaves no room beside %d channels: want conditioning_key crossattn?",
			n.UNet.InChannels, n.UNet.OutChannels)
	case n.Key == KeyHybrid && n.UNet.InChannels <= n.UNet.OutChannels:
		return fault.Inputf("conditioning_key is hybrid, but in_channels %d leaves no room for pictures beside %d channels", n.UNet.InChannels, n.UNet.OutChannels)
	case n.Key == KeyHybrid && n.TextLength() == 0:
		return fault.Unsupportedf("conditioning_key is hybrid, which is supported with a text encoder alone, not with %v", n.Conditioner.Kind)
	case (n.Key == KeyCrossAttn || n.Key == KeyHybrid) && n.UNet.ContextDim == 0:
		return fault.Inputf("conditioning_key is %v, but unet_config has no context_dim", n.Key)
	case n.Key == KeyADM && n.UNet.NumClasses == 0:
		return fault.Inputf("conditioning_key is adm, but unet_config has no num_classes")
	}
	return nil
}
