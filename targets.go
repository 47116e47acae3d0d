package ldm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/unet"
)

// Targets of the reference's YAML that this package builds.
const (
	TargetAutoencoderKL    = config.TargetAutoencoderKL
	TargetVQModel          = config.TargetVQModel
	TargetVQModelInterface = config.TargetVQModelInterface
	TargetIdentityStage    = config.TargetIdentityStage
	TargetLatentDiffusion  = config.TargetLatentDiffusion
	TargetUNet             = config.TargetUNet
	TargetTransformer      = config.TargetTransformer
	TargetPlainTransformer = config.TargetPlainTransformer
	TargetClassEmbedder    = config.TargetClassEmbedder
	TargetSpatialRescaler  = config.TargetSpatialRescaler
	TargetFrozenCLIP       = config.TargetFrozenCLIP
	TargetIdentity         = config.TargetIdentity
)

// Conditioners that the YAML names without a target.
const (
	Unconditional    = config.Unconditional
	FirstStageAsCond = config.FirstStageAsCond
)

// unknown is the error for a target that is not among those known.
func unknown(what, target string, known ...string) error {
	slices.Sort(known)
	return fmt.Errorf("%s: unknown target %q; known are %s", what, target, strings.Join(known, ", "))
}

// stageKinds are the targets of first stages.
var stageKinds = map[string]autoencoder.Kind{
	TargetAutoencoderKL: autoencoder.KL, TargetVQModel: autoencoder.VQ,
	TargetVQModelInterface: autoencoder.VQ, TargetIdentityStage: autoencoder.Identity,
}

// decodeAutoencoder reads a first stage's configuration.
func decodeAutoencoder(t config.Target) (autoencoder.Config, error) {
	kind, ok := stageKinds[t.Target]
	if !ok {
		return autoencoder.Config{}, unknown("first stage", t.Target, TargetAutoencoderKL, TargetVQModel, TargetVQModelInterface, TargetIdentityStage)
	}
	cfg := autoencoder.Config{Kind: kind}
	if kind == autoencoder.Identity {
		return cfg, nil // its arguments are of no consequence
	}
	if err := t.Decode(&cfg); err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

// encodeAutoencoder is the target of a first stage, inside a diffusion model or alone.
func encodeAutoencoder(cfg autoencoder.Config, alone bool) (config.Target, error) {
	name := TargetAutoencoderKL
	switch {
	case cfg.Kind == autoencoder.Identity:
		return config.Target{Target: TargetIdentityStage}, nil
	case cfg.Kind == autoencoder.VQ && alone:
		name = TargetVQModel
	case cfg.Kind == autoencoder.VQ:
		name = TargetVQModelInterface
	}
	params, err := config.Map(cfg)
	return config.Target{Target: name, Params: params}, err
}

func decodeUNet(t config.Target) (unet.Config, error) {
	cfg := unet.Default()
	if t.Target != TargetUNet {
		return cfg, unknown("unet_config", t.Target, TargetUNet)
	}
	if err := t.Decode(&cfg); err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

// Conditioner is τ of section 3.3: what turns a label, a text or a picture into
// what the U-Net sees. One of the pointers is set, or none for the identity,
// the first stage and unconditional models.
type Conditioner struct {
	Target   string // of the YAML, or Unconditional or FirstStageAsCond
	Text     *conditioner.Transformer
	Class    *conditioner.ClassEmbedder
	CLIP     *conditioner.CLIP
	Rescaler *conditioner.SpatialRescaler
}

// decodeConditioner reads cond_stage_config.
func decodeConditioner(v any) (Conditioner, error) {
	if name, ok := v.(string); ok {
		if name != Unconditional && name != FirstStageAsCond {
			return Conditioner{}, unknown("cond_stage_config", name, Unconditional, FirstStageAsCond)
		}
		return Conditioner{Target: name}, nil
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return Conditioner{}, fmt.Errorf("cond_stage_config is missing")
	}
	var t config.Target
	t.Target, _ = fields["target"].(string)
	t.Params, _ = fields["params"].(map[string]any)
	return buildConditioner(t)
}

func buildConditioner(t config.Target) (Conditioner, error) {
	c := Conditioner{Target: t.Target}
	switch t.Target {
	case TargetTransformer, TargetPlainTransformer:
		text := conditioner.Transformer{}.WithDefaults()
		if err := t.Decode(&text); err != nil {
			return c, err
		}
		c.Text = &text
		return c, text.Validate()
	case TargetClassEmbedder:
		c.Class = &conditioner.ClassEmbedder{NClasses: 1000}
		return c, t.Decode(c.Class)
	case TargetSpatialRescaler:
		rescaler := conditioner.DefaultRescaler()
		c.Rescaler = &rescaler
		if err := t.Decode(c.Rescaler); err != nil {
			return c, err
		}
		return c, rescaler.Validate()
	case TargetFrozenCLIP:
		var frozen conditioner.FrozenCLIP
		if err := t.Decode(&frozen); err != nil {
			return c, err
		}
		tower, err := frozen.Tower()
		c.CLIP = &tower
		return c, err
	case TargetIdentity:
		return c, nil
	}
	return c, unknown("cond_stage_config", t.Target, TargetTransformer, TargetPlainTransformer, TargetClassEmbedder,
		TargetSpatialRescaler, TargetFrozenCLIP, TargetIdentity, Unconditional, FirstStageAsCond)
}
