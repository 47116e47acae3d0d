package ldm

import (
	"fmt"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// Params are the parameters of the reference's LatentDiffusion, as in its YAML.
type Params struct {
	diffusion.Config `yaml:",inline"`

	ScaleFactor      float64       `yaml:"scale_factor,omitempty"` // latents are multiplied by it; 0: 1
	ScaleByStd       bool          `yaml:"scale_by_std,omitempty"` // measure it on the first batch of training; checkpoints hold it then
	ConcatMode       *bool         `yaml:"concat_mode,omitempty"`  // where conditioning_key is silent: true (default) concat, false crossattn
	ConditioningKey  string        `yaml:"conditioning_key,omitempty"`
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
	CkptPath         string        `yaml:"ckpt_path,omitempty"`
	IgnoreKeys       []string      `yaml:"ignore_keys,omitempty"`
	UNet             config.Target `yaml:"unet_config"`
	FirstStage       config.Target `yaml:"first_stage_config"`
	CondStage        any           `yaml:"cond_stage_config"` // a target, Unconditional or FirstStageAsCond
}

// The conditioning keys: how the condition reaches the U-Net.
const (
	KeyConcat    = "concat"    // joined to the latent's channels
	KeyCrossAttn = "crossattn" // by cross-attention
	KeyADM       = "adm"       // a label added to the time embedding
)

// Network is the structure of a latent diffusion model: everything but weights.
type Network struct {
	Conditioner
	Params      Params
	Schedule    *diffusion.Schedule
	UNet        unet.Config
	FirstStage  autoencoder.Config
	Key         string // the conditioning key, empty for unconditional models
	ScaleFactor float32
}

// NewNetwork decodes a LatentDiffusion's configuration.
func NewNetwork(t config.Target) (*Network, error) {
	if t.Target != TargetLatentDiffusion {
		return nil, unknown("model", t.Target, TargetLatentDiffusion)
	}
	n := &Network{Params: Params{Config: diffusion.Default()}}
	if err := t.Decode(&n.Params); err != nil {
		return nil, err
	}
	var err error
	if n.Schedule, err = diffusion.NewSchedule(n.Params.Config); err != nil {
		return nil, err
	}
	if n.FirstStage, err = decodeAutoencoder(n.Params.FirstStage); err != nil {
		return nil, err
	}
	if n.UNet, err = decodeUNet(n.Params.UNet); err != nil {
		return nil, err
	}
	n.ScaleFactor = float32(n.Params.ScaleFactor)
	if n.ScaleFactor == 0 {
		n.ScaleFactor = 1
	}
	if n.Conditioner, err = decodeConditioner(n.Params.CondStage); err != nil {
		return nil, err
	}
	if n.Key, err = n.Params.key(n.Conditioner.Target); err != nil {
		return nil, err
	}
	return n, n.checkKey()
}

// checkKey wants a U-Net that takes a condition in the way of the key.
func (n *Network) checkKey() error {
	switch {
	case n.Key == KeyConcat && n.UNet.InChannels <= n.UNet.OutChannels:
		return fmt.Errorf("the condition is joined to the latent (conditioning_key concat, the default), but in_channels %d leaves no room beside %d channels: want conditioning_key crossattn?",
			n.UNet.InChannels, n.UNet.OutChannels)
	case n.Key == KeyCrossAttn && n.UNet.ContextDim == 0:
		return fmt.Errorf("conditioning_key is crossattn, but unet_config has no context_dim")
	case n.Key == KeyADM && n.UNet.NumClasses == 0:
		return fmt.Errorf("conditioning_key is adm, but unet_config has no num_classes")
	}
	return nil
}

// key is the conditioning key that follows from the YAML.
func (p Params) key(conditioner string) (string, error) {
	switch {
	case conditioner == Unconditional:
		return "", nil
	case p.ConditioningKey == "" && (p.ConcatMode == nil || *p.ConcatMode):
		return KeyConcat, nil
	case p.ConditioningKey == "":
		return KeyCrossAttn, nil
	}
	switch p.ConditioningKey {
	case KeyConcat, KeyCrossAttn, KeyADM:
		return p.ConditioningKey, nil
	}
	return "", fmt.Errorf("conditioning_key %q: want %s, %s or %s", p.ConditioningKey, KeyConcat, KeyCrossAttn, KeyADM)
}

// LatentChannels is the number of channels that are diffused.
func (n *Network) LatentChannels() int { return n.UNet.OutChannels }

// TextLength is the number of tokens of a text; 0 where the model takes none.
func (n *Network) TextLength() int {
	switch {
	case n.Text != nil:
		return n.Text.MaxSeqLen
	case n.CLIP != nil:
		return n.CLIP.MaxLen
	}
	return 0
}

// Condition adds the conditioner to a graph: its input is "tokens" [batch,
// length] or "labels" [batch]. There is none for an unconditional model.
func (n *Network) Condition(b nn.Builder, batch, length int) graph.Value {
	b = b.In(prefixConditioner)
	switch {
	case n.Text != nil:
		return n.Text.Build(b, b.G.IntInput("tokens", batch, length))
	case n.CLIP != nil:
		return n.CLIP.Build(b, b.G.IntInput("tokens", batch, length))
	case n.Class != nil:
		return n.Class.Build(b, b.G.IntInput("labels", batch))
	}
	return graph.Value{}
}

// ConditionPicture adds the conditioner for a picture x [N, H, W, C]: what is
// joined to the latent.
func (n *Network) ConditionPicture(b nn.Builder, x graph.Value) graph.Value {
	switch {
	case n.Rescaler != nil:
		return n.Rescaler.Build(b.In(prefixConditioner), x)
	case n.Conditioner.Target == TargetIdentity:
		return x
	case n.Conditioner.Target == FirstStageAsCond:
		z := n.FirstStage.Encode(b.In(PrefixFirstStage), x)
		if n.FirstStage.Kind == autoencoder.KL {
			z = autoencoder.NewGaussian(b.G, z).Mean
		}
		return z
	}
	b.G.Fail("this model is not conditioned on pictures")
	return x
}

// pictureChannels are those of the pictures that condition the model.
func (n *Network) pictureChannels() int {
	switch {
	case n.Rescaler != nil:
		return n.Rescaler.InChannels
	case n.Conditioner.Target == TargetIdentity:
		return n.UNet.InChannels - n.LatentChannels()
	}
	return n.FirstStage.PictureChannels()
}

// Denoise adds the U-Net for latents x, timesteps t and the condition, which
// goes where the conditioning key says.
func (n *Network) Denoise(b nn.Builder, x, t, condition graph.Value) graph.Value {
	in := unet.Inputs{X: x, T: t}
	switch n.Key {
	case KeyConcat:
		in.Concat = condition
	case KeyADM:
		in.Y = condition
	default:
		in.Context = condition
	}
	return n.UNet.Build(b.In(prefixUNet), in)
}

// DiffusionParams lists the parameters of the second stage: U-Net and
// conditioner, those alone that the network reads.
func (n *Network) DiffusionParams() ([]nn.ParamSpec, error) {
	b, err := n.smallest()
	return used(b), err
}

// smallest adds the second stage to a graph at the smallest size there is.
func (n *Network) smallest() (nn.Builder, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	f := n.UNet.Factor()
	c := n.LatentChannels()
	condition := n.Condition(b, 1, 1)
	switch {
	case n.Rescaler != nil: // its parameters do not depend on the size
		n.Rescaler.Build(b.In(prefixConditioner), g.Input("picture", 1, 1<<min(n.Rescaler.NStages, 12), 1<<min(n.Rescaler.NStages, 12), n.Rescaler.InChannels))
		condition = g.Input("condition", 1, f, f, max(n.UNet.InChannels-c, 1))
	case n.Key == KeyConcat:
		condition = g.Input("condition", 1, f, f, max(n.UNet.InChannels-c, 1))
	case n.Key == KeyCrossAttn && !condition.Valid():
		condition = g.Input("condition", 1, 1, max(n.UNet.ContextDim, 1))
	case n.Key == KeyADM:
		condition = g.IntInput("labels", 1)
	}
	n.Denoise(b, g.Input("x", 1, f, f, c), g.IntInput("t", 1), condition)
	return b, g.Err()
}

// used drops declared parameters that no operation reads.
func used(b nn.Builder) []nn.ParamSpec {
	in := map[string]bool{}
	for _, p := range b.G.Params() {
		in[p.Node.Op.(graph.Param).Name] = true
	}
	var out []nn.ParamSpec
	for _, s := range b.Params() {
		if in[s.Name] {
			out = append(out, s)
		}
	}
	return out
}

// params lists all parameters of a model file.
func (n *Network) params() ([]nn.ParamSpec, error) {
	stage, err := firstStageParams(n.FirstStage, PrefixFirstStage)
	if err != nil {
		return nil, err
	}
	diffusion, err := n.DiffusionParams()
	return append(stage, diffusion...), err
}

// ModelParams lists the parameters of the model that a configuration describes:
// a whole latent diffusion model or a first stage.
func ModelParams(t config.Target) ([]nn.ParamSpec, error) {
	if t.Target != TargetLatentDiffusion {
		cfg, err := decodeAutoencoder(t)
		if err != nil {
			return nil, err
		}
		return firstStageParams(cfg, "")
	}
	n, err := NewNetwork(t)
	if err != nil {
		return nil, err
	}
	return n.params()
}
