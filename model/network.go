// Package model is the structure of latent diffusion models: what the reference's
// YAML says, decoded and checked, the graphs that follow from it, and the names
// under which a checkpoint holds the parameters. It knows neither files nor engines.
package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
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
	if err := checkVersion(t); err != nil {
		return nil, err
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
	n.ScaleFactor = float32(n.Params.ScaleFactor)
	if n.ScaleFactor == 0 {
		n.ScaleFactor = 1
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
		return fmt.Errorf("the condition is joined to the latent (conditioning_key concat, the default), but in_channels %d leaves no room beside %d channels: want conditioning_key crossattn?",
			n.UNet.InChannels, n.UNet.OutChannels)
	case n.Key == KeyHybrid && n.UNet.InChannels <= n.UNet.OutChannels:
		return fault.Inputf("conditioning_key is hybrid, but in_channels %d leaves no room for pictures beside %d channels", n.UNet.InChannels, n.UNet.OutChannels)
	case n.Key == KeyHybrid && n.TextLength() == 0:
		return fault.Unsupportedf("conditioning_key is hybrid, which is supported with a text encoder alone, not with %v", n.Conditioner.Kind)
	case (n.Key == KeyCrossAttn || n.Key == KeyHybrid) && n.UNet.ContextDim == 0:
		return fmt.Errorf("conditioning_key is %v, but unet_config has no context_dim", n.Key)
	case n.Key == KeyADM && n.UNet.NumClasses == 0:
		return fmt.Errorf("conditioning_key is adm, but unet_config has no num_classes")
	}
	return nil
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

// Vocabulary is the number of tokens that the text encoder knows; 0 where the model
// takes none.
func (n *Network) Vocabulary() int {
	switch {
	case n.Text != nil:
		return n.Text.VocabSize
	case n.CLIP != nil:
		return n.CLIP.Vocab
	}
	return 0
}

// Classes is the number of classes that the model tells apart, an empty one
// among them; 0 where it takes none.
func (n *Network) Classes() int {
	switch {
	case n.Key == KeyADM:
		return n.UNet.NumClasses
	case n.Conditioner.Class != nil:
		return n.Conditioner.Class.NClasses
	}
	return 0
}

// TakesText tells whether the model is conditioned on texts, which a tokenizer
// takes apart.
func (n *Network) TakesText() bool {
	return n.CLIP != nil || n.Text != nil && (n.Text.UseTokenizer == nil || *n.Text.UseTokenizer)
}

// LatentFirst tells the order of what an inpainting model joins to the latent: the
// latent of the picture with a hole before the mask, as in the paper's model, or
// behind it, as in Stable Diffusion's where concat_keys do not say otherwise.
func (n *Network) LatentFirst() bool {
	return n.Key != KeyHybrid || len(n.Params.ConcatKeys) > 0 && n.Params.ConcatKeys[0] != maskKey
}

// LayoutTokens tells whether the tokens of the text encoder are those of a
// layout (token.Layout), not of a text.
func (n *Network) LayoutTokens() bool {
	return n.Conditioner.Text != nil && n.Params.CondStageKey == "coordinates_bbox"
}

// TakesPictures tells whether the model is conditioned on pictures: small ones,
// maps of labels, or ones to edit.
func (n *Network) TakesPictures() bool {
	switch n.Key {
	case KeyConcat:
		return n.Kind == RescaledMap || n.Kind == Itself || n.Kind == LatentOfItself && !n.Inpaints()
	case KeyHybrid:
		return n.Edits()
	}
	return false
}

// Inpaints tells whether the model joins the latent of a picture with a hole and
// the hole's mask to the latent, as the paper's inpainting model does, and Stable
// Diffusion's beside a text.
func (n *Network) Inpaints() bool {
	return (n.Key == KeyConcat && n.Kind == LatentOfItself || n.Key == KeyHybrid) && n.UNet.InChannels == 2*n.LatentChannels()+1
}

// Edits tells whether the model joins the latent of a picture that a text says how
// to change, as InstructPix2Pix does (Brooks et al., arXiv 2211.09800).
func (n *Network) Edits() bool {
	return n.Key == KeyHybrid && n.UNet.InChannels == 2*n.LatentChannels()
}

// ConditionSize is the size of the picture that conditions a picture of the given
// size in pixels.
func (n *Network) ConditionSize(width, height int) (w, h int) {
	switch f := n.FirstStage.Factor(); {
	case n.Rescaler != nil:
		grow := math.Pow(n.Rescaler.Multiplier, -float64(n.Rescaler.NStages))
		return int(math.Round(float64(width/f) * grow)), int(math.Round(float64(height/f) * grow))
	case n.Kind == Itself:
		return width / f, height / f
	}
	return width, height
}

// Condition adds the conditioner to a graph: its input is "tokens" [batch,
// length] or "labels" [batch]. There is none for an unconditional model.
func (n *Network) Condition(b nn.Builder, batch, length int) graph.Value {
	b = b.In(PrefixConditioner)
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
		return n.Rescaler.Build(b.In(PrefixConditioner), x)
	case n.Kind == Itself:
		return x
	case n.Kind == LatentOfItself || n.Key == KeyHybrid:
		z := n.FirstStage.Encode(b.In(PrefixFirstStage), x)
		if n.FirstStage.Kind == autoencoder.KL {
			z = autoencoder.NewGaussian(b.G, z).Mean
		}
		return z
	}
	b.G.Fail("this model is not conditioned on pictures")
	return x
}

// PictureChannels are those of the pictures that condition the model.
func (n *Network) PictureChannels() int {
	switch {
	case n.Rescaler != nil:
		return n.Rescaler.InChannels
	case n.Kind == Itself:
		return n.UNet.InChannels - n.LatentChannels()
	}
	return n.FirstStage.PictureChannels()
}

// ConditionInput declares the input "condition" of a denoiser of n latents of
// height h and width w, in the shape in which the U-Net wants it: what is joined
// to the latent [n, h, w, C'], contexts [n, tokens, D], or labels int32 [n]. A
// hybrid has contexts, and a second input "joined" [n, h, w, C'].
func (n *Network) ConditionInput(g *graph.Graph, batch, h, w, tokens int) []graph.Value {
	joined := func(name string) graph.Value { return g.Input(name, batch, h, w, n.UNet.InChannels-n.LatentChannels()) }
	switch n.Key {
	case KeyConcat:
		return []graph.Value{joined("condition")}
	case KeyCrossAttn:
		return []graph.Value{g.Input("condition", batch, tokens, n.UNet.ContextDim)}
	case KeyHybrid:
		return []graph.Value{g.Input("condition", batch, tokens, n.UNet.ContextDim), joined("joined")}
	case KeyADM:
		return []graph.Value{g.IntInput("condition", batch)}
	}
	return nil
}

// Denoise adds the U-Net for latents x, timesteps t and the condition, which
// goes where the conditioning key says: one value, of a hybrid the context and
// what is joined, or none.
func (n *Network) Denoise(b nn.Builder, x, t graph.Value, condition ...graph.Value) graph.Value {
	in := unet.Inputs{X: x, T: t}
	if len(condition) == 0 {
		return n.UNet.Build(b.In(PrefixUNet), in)
	}
	switch n.Key {
	case KeyConcat:
		in.Concat = condition[0]
	case KeyADM:
		in.Y = condition[0]
	case KeyHybrid:
		if len(condition) < 2 {
			b.G.Fail("this model wants pictures joined to the latent, besides its context")
			return x
		}
		in.Context, in.Concat = condition[0], condition[1]
	default:
		in.Context = condition[0]
	}
	return n.UNet.Build(b.In(PrefixUNet), in)
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
	joined := func() graph.Value { return g.Input("joined", 1, f, f, max(n.UNet.InChannels-c, 1)) }
	inputs := func(values ...graph.Value) { n.Denoise(b, g.Input("x", 1, f, f, c), g.Input("t", 1), values...) }
	switch {
	case n.Rescaler != nil: // its parameters do not depend on the size
		n.Rescaler.Build(b.In(PrefixConditioner), g.Input("picture", 1, 1<<min(n.Rescaler.NStages, 12), 1<<min(n.Rescaler.NStages, 12), n.Rescaler.InChannels))
		inputs(joined())
	case n.Key == KeyConcat:
		inputs(joined())
	case n.Key == KeyHybrid:
		inputs(condition, joined())
	case n.Key == KeyCrossAttn && !condition.Valid():
		inputs(g.Input("condition", 1, 1, max(n.UNet.ContextDim, 1)))
	case n.Key == KeyADM:
		inputs(g.IntInput("labels", 1))
	default:
		inputs(condition)
	}
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

// AllParams lists all parameters of a model file.
func (n *Network) AllParams() ([]nn.ParamSpec, error) {
	stage, err := StageParams(n.FirstStage, PrefixFirstStage)
	if err != nil {
		return nil, err
	}
	diffusion, err := n.DiffusionParams()
	return append(stage, diffusion...), err
}

// ParamsOf lists the parameters of the model that a configuration describes:
// a whole latent diffusion model or a first stage.
func ParamsOf(t config.Target) ([]nn.ParamSpec, error) {
	if !IsDiffusion(t) {
		cfg, err := StageOf(t)
		if err != nil {
			return nil, err
		}
		return StageParams(cfg, "")
	}
	n, err := New(t)
	if err != nil {
		return nil, err
	}
	return n.AllParams()
}
