package model

import (
	"maps"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// stageKinds are the targets of first stages.
var stageKinds = map[string]autoencoder.Kind{
	config.TargetAutoencoderKL: autoencoder.KL, config.TargetVQModel: autoencoder.VQ,
	config.TargetVQModelInterface: autoencoder.VQ, config.TargetTamingVQModel: autoencoder.VQ, config.TargetIdentityStage: autoencoder.Identity,
	config.TargetAutoencoderTiny: autoencoder.Tiny,
}

// DecodeStage reads a first stage's configuration.
func DecodeStage(t config.Target) (autoencoder.Config, error) {
	kind, ok := stageKinds[t.Target]
	switch {
	case !ok && (t.Params["unet_config"] != nil || strings.Contains(t.Target, ".diffusion.")): // a whole model
		return autoencoder.Config{}, unknown("model", t.Target, append(slices.Collect(maps.Keys(stageKinds)), diffusionTargets...)...)
	case !ok:
		return autoencoder.Config{}, unknown("first stage", t.Target, slices.Collect(maps.Keys(stageKinds))...)
	}
	cfg := autoencoder.Config{Kind: kind}
	if kind == autoencoder.Identity {
		return cfg, nil // its arguments are of no consequence
	}
	var err error
	if kind == autoencoder.Tiny {
		err = t.Decode(&cfg.Tiny)
	} else {
		err = t.Decode(&cfg)
	}
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

// StageOf is the configuration of the first stage that a model's configuration
// has, or is. Keys of training alone are left out.
func StageOf(t config.Target) (autoencoder.Config, error) {
	if IsDiffusion(t) {
		var stage config.Target
		if err := t.Inside("first_stage_config", &stage); err != nil {
			return autoencoder.Config{}, err
		}
		t = stage
	}
	t, _ = t.Without(stageTrainingKeys...)
	return DecodeStage(t)
}

// EncodeStage is the target of a first stage, inside a diffusion model or alone.
func EncodeStage(cfg autoencoder.Config, alone bool) (config.Target, error) {
	name := config.TargetAutoencoderKL
	switch {
	case cfg.Kind == autoencoder.Identity:
		return config.Target{Target: config.TargetIdentityStage}, nil
	case cfg.Kind == autoencoder.Tiny:
		params, err := config.Map(cfg.Tiny)
		return config.Target{Target: config.TargetAutoencoderTiny, Params: params}, err
	case cfg.Kind == autoencoder.VQ && alone:
		name = config.TargetVQModel
	case cfg.Kind == autoencoder.VQ:
		name = config.TargetVQModelInterface
	}
	params, err := config.Map(cfg)
	return config.Target{Target: name, Params: params}, err
}

// StageParams lists the parameters of a first stage, under prefix.
func StageParams(cfg autoencoder.Config, prefix string) ([]nn.ParamSpec, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	f := cfg.Factor()
	if cfg.HasEncoder() {
		cfg.Encode(b.In(prefix), g.Input("x", 1, f, f, cfg.PictureChannels()))
	}
	if cfg.HasDecoder() {
		cfg.Decode(b.In(prefix), g.Input("z", 1, 1, 1, cfg.LatentChannels()))
	}
	return b.Params(), g.Err()
}

func decodeUNet(t config.Target) (unet.Config, error) {
	cfg := unet.Default()
	if t.Target != config.TargetUNet {
		return cfg, unknown("unet_config", t.Target, config.TargetUNet)
	}
	if err := t.Decode(&cfg); err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}
