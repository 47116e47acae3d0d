package model

import (
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
)

// Params are the parameters of the reference's LatentDiffusion, as in its YAML.
type Params struct {
	diffusion.Config `yaml:",inline"`

	ScaleFactor      float64       `yaml:"scale_factor,omitempty"`     // latents are multiplied by it; none: 1
	Consistency      bool          `yaml:"consistency,omitempty"`      // a student of a guided model that says at once where that gets to: see DefaultSampler
	ScaleByStd       bool          `yaml:"scale_by_std,omitempty"`     // measure it on the first batch of training; checkpoints hold it then
	ConcatMode       *bool         `yaml:"concat_mode,omitempty"`      // where conditioning_key is silent: true (default) concat, false crossattn
	ConditioningKey  Key           `yaml:"conditioning_key,omitempty"` // KeyNone: see ConcatMode
	CondStageKey     string        `yaml:"cond_stage_key,omitempty"`
	CondStageTrain   bool          `yaml:"cond_stage_trainable,omitempty"`
	CondStageForward string        `yaml:"cond_stage_forward,omitempty"`
	FirstStageKey    string        `yaml:"first_stage_key,omitempty"`
	ImageSize        int           `yaml:"image_size,omitempty"` // of the latent
	Channels         int           `yaml:"channels,omitempty"`
	NumTimestepsCond int           `yaml:"num_timesteps_cond,omitempty"`
	LogEveryT        int           `yaml:"log_every_t,omitempty"`
	Monitor          string        `yaml:"monitor,omitempty"`
	UseEMA           *bool         `yaml:"use_ema,omitempty"` // default true
	Scheduler        config.Target `yaml:"scheduler_config,omitempty"`
	ConcatKeys       []string      `yaml:"concat_keys,omitempty"`      // of LatentInpaintDiffusion: what is joined, in a batch
	MaskedImageKey   string        `yaml:"masked_image_key,omitempty"` // of LatentInpaintDiffusion
	UNet             config.Target `yaml:"unet_config"`
	FirstStage       config.Target `yaml:"first_stage_config"`
	CondStage        any           `yaml:"cond_stage_config"` // a target, Unconditional or FirstStageAsCond
}

// maskKey is the mask among concat_keys; the other one is the picture.
const maskKey = "mask"

// trainingKeys are arguments of LatentDiffusion in the reference and its forks
// that change training alone: embeddings that are learnt, weights that a run
// begins with, parts that are trained.
var trainingKeys = []string{
	"personalization_config", "embedding_reg_weight", "reg_weight", "unfreeze_model", "model_lr", "ckpt_path", "ignore_keys", "load_only_unet",
	"load_ema", "reset_ema", "reset_num_ema_updates", "make_it_fit", "ucg_training", "finetune_keys", "keep_finetune_dims", "c_concat_log_start",
	"c_concat_log_end", "freeze_model",
}

// stageTrainingKeys are the same of first stages.
var stageTrainingKeys = []string{"ckpt_path", "ignore_keys", "ema_decay", "learn_logvar", "use_ema", "lr_g_factor", "scheduler_config", "batch_resize_range"}

// Key is a conditioning key: how the condition reaches the U-Net.
type Key uint8

// The conditioning keys.
const (
	KeyNone      Key = iota // unconditional
	KeyConcat               // joined to the latent's channels
	KeyCrossAttn            // by cross-attention
	KeyADM                  // a label added to the time embedding
	KeyHybrid               // by cross-attention, and pictures joined to the latent's channels
)

var keyNames = map[Key]string{KeyNone: "none", KeyConcat: "concat", KeyCrossAttn: "crossattn", KeyADM: "adm", KeyHybrid: "hybrid"}

func (k Key) String() string { return keyNames[k] }

// UnmarshalText reads a key as YAML has it.
func (k *Key) UnmarshalText(b []byte) error {
	for key, name := range keyNames {
		if name == string(b) && key != KeyNone {
			*k = key
			return nil
		}
	}
	return fault.Inputf("conditioning_key %q: want concat, crossattn, adm or hybrid", b)
}

// MarshalText writes a key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// key is the conditioning key that follows from the YAML.
func (p Params) key(c ConditionerKind) Key {
	switch {
	case c == NoCondition:
		return KeyNone
	case p.ConditioningKey != KeyNone:
		return p.ConditioningKey
	case p.ConcatMode == nil || *p.ConcatMode:
		return KeyConcat
	}
	return KeyCrossAttn
}
