// Package ldm runs latent diffusion models (Rombach et al., arXiv 2112.10752):
// it ties a first stage, a denoiser in its latent space and a conditioner
// together, and turns texts into pictures.
package ldm

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
	"github.com/ldm-go/ldm/unet"
)

// Params are the parameters of the reference's LatentDiffusion, as in its YAML.
type Params struct {
	diffusion.Config `yaml:",inline"`

	ScaleFactor      float64       `yaml:"scale_factor,omitempty"` // latents are multiplied by it; 0: 1
	ScaleByStd       bool          `yaml:"scale_by_std,omitempty"` // measure it on the first batch of training
	ConditioningKey  string        `yaml:"conditioning_key,omitempty"`
	CondStageKey     string        `yaml:"cond_stage_key,omitempty"`
	CondStageTrain   bool          `yaml:"cond_stage_trainable,omitempty"`
	FirstStageKey    string        `yaml:"first_stage_key,omitempty"`
	ImageSize        int           `yaml:"image_size,omitempty"` // of the latent
	Channels         int           `yaml:"channels,omitempty"`
	NumTimestepsCond int           `yaml:"num_timesteps_cond,omitempty"`
	LogEveryT        int           `yaml:"log_every_t,omitempty"`
	Monitor          string        `yaml:"monitor,omitempty"`
	UseEMA           bool          `yaml:"use_ema,omitempty"`
	UNet             config.Target `yaml:"unet_config"`
	FirstStage       config.Target `yaml:"first_stage_config"`
	CondStage        any           `yaml:"cond_stage_config"` // a target, or __is_unconditional__
}

// Network is the structure of a latent diffusion model: everything but weights.
type Network struct {
	Params      Params
	Schedule    *diffusion.Schedule
	UNet        unet.Config
	FirstStage  autoencoder.Config
	Text        *conditioner.Transformer   // of text-conditional models
	Class       *conditioner.ClassEmbedder // of class-conditional models
	ScaleFactor float32
}

// NewNetwork decodes a LatentDiffusion's configuration.
func NewNetwork(t config.Target) (*Network, error) {
	if t.Target != TargetLatentDiffusion {
		return nil, fmt.Errorf("model %q: want %s", t.Target, TargetLatentDiffusion)
	}
	n := &Network{Params: Params{Config: diffusion.Default()}, UNet: unet.Default()}
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
	if n.Params.UNet.Target != TargetUNet {
		return nil, fmt.Errorf("unet_config %q: want %s", n.Params.UNet.Target, TargetUNet)
	}
	if err := n.Params.UNet.Decode(&n.UNet); err != nil {
		return nil, err
	}
	n.ScaleFactor = float32(n.Params.ScaleFactor)
	if n.ScaleFactor == 0 {
		n.ScaleFactor = 1
	}
	if err := n.decodeConditioner(); err != nil {
		return nil, err
	}
	return n, n.UNet.Validate()
}

func (n *Network) decodeConditioner() error {
	if name, ok := n.Params.CondStage.(string); ok {
		if name == "__is_unconditional__" {
			return nil
		}
		return fmt.Errorf("cond_stage_config %q is not supported", name)
	}
	fields, ok := n.Params.CondStage.(map[string]any)
	if !ok {
		return fmt.Errorf("cond_stage_config is missing")
	}
	name, _ := fields["target"].(string)
	params, _ := fields["params"].(map[string]any)
	t := config.Target{Target: name, Params: params}
	switch name {
	case TargetTransformer:
		c := conditioner.Transformer{}.WithDefaults()
		if err := t.Decode(&c); err != nil {
			return err
		}
		n.Text = &c
		return c.Validate()
	case TargetClassEmbedder:
		n.Class = &conditioner.ClassEmbedder{}
		return t.Decode(n.Class)
	}
	return fmt.Errorf("cond_stage_config %q: want %s, %s or __is_unconditional__", name, TargetTransformer, TargetClassEmbedder)
}

// Condition adds the conditioner for a batch of n to a graph: its input is
// "tokens" or "labels". The context is none for an unconditional model.
func (n *Network) Condition(b nn.Builder, batch int) graph.Value {
	b = b.In(prefixConditioner)
	switch {
	case n.Text != nil:
		return n.Text.Build(b, b.G.IntInput("tokens", batch, n.Text.MaxSeqLen))
	case n.Class != nil:
		return n.Class.Build(b, b.G.IntInput("labels", batch))
	}
	return graph.Value{}
}

// Denoise adds the U-Net for latents x and timesteps t.
func (n *Network) Denoise(b nn.Builder, x, t, context graph.Value) graph.Value {
	return n.UNet.Build(b.In(prefixUNet), unet.Inputs{X: x, T: t, Context: context})
}

// DiffusionParams lists the parameters of the second stage: U-Net and
// conditioner, those alone that the network reads.
func (n *Network) DiffusionParams() ([]nn.ParamSpec, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	f := n.UNet.Factor()
	n.Denoise(b, g.Input("x", 1, f, f, n.UNet.InChannels), g.IntInput("t", 1), n.Condition(b, 1))
	return used(b), g.Err()
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

// Model is a latent diffusion model with its weights. Its methods may be
// called by one goroutine at a time.
type Model struct {
	*Network
	Tokenizer *token.WordPiece // of text-conditional models
	target    config.Target
	vars      engine.Vars
	stage     *FirstStage
	denoiser  *programs[size]
	context   *programs[size]
}

// Options of a model.
type Options struct {
	Engine    engine.Engine
	Precision engine.Precision
	Threads   int // 0: all processors
}

// metaVocab is the key of the tokenizer's pieces, one a line, in a model
// file's metadata.
const metaVocab = "ldm.vocab"

// Open reads a model file that this program wrote.
func Open(path string, opt Options) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Load(f, opt)
}

// Load reads a model from an open file.
func Load(f *checkpoint.File, opt Options) (*Model, error) {
	target, err := modelTarget(f)
	if err != nil {
		return nil, err
	}
	net, err := NewNetwork(target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	specs, err := net.params()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	vars, err := checkpoint.Load(f, "", shapes(specs))
	if err != nil {
		return nil, err
	}
	var tok *token.WordPiece
	if net.Text != nil {
		if tok, err = token.NewWordPiece(strings.Split(f.Metadata()[metaVocab], "\n")); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return NewModel(net, target, tok, vars, opt), nil
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

// NewModel ties a network and weights in memory together.
func NewModel(net *Network, target config.Target, tok *token.WordPiece, vars engine.Vars, opt Options) *Model {
	compile := engine.Options{Precision: opt.Precision, Threads: opt.Threads}
	m := &Model{Network: net, Tokenizer: tok, target: target, vars: vars}
	m.stage = NewFirstStage(net.FirstStage, PrefixFirstStage, vars, opt.Engine, compile)
	m.denoiser = newPrograms(opt.Engine, vars, compile, func(g *graph.Graph, s size) []graph.Value {
		b := nn.NewBuilder(g)
		var context graph.Value
		switch {
		case net.Text != nil:
			context = g.Input("context", s.n, net.Text.MaxSeqLen, net.Text.NEmbed)
		case net.Class != nil:
			context = g.Input("context", s.n, 1, net.Class.EmbedDim)
		}
		x := g.Input("x", s.n, s.h, s.w, net.UNet.InChannels)
		return []graph.Value{net.Denoise(b, x, g.IntInput("t", s.n), context)}
	})
	m.context = newPrograms(opt.Engine, vars, compile, func(g *graph.Graph, s size) []graph.Value {
		return []graph.Value{net.Condition(nn.NewBuilder(g), s.n)}
	})
	return m
}

// Save writes the model with its configuration and tokenizer.
func (m *Model) Save(path string, d checkpoint.DType) error {
	specs, err := m.params()
	if err != nil {
		return err
	}
	tensors := map[string]*tensor.Tensor{}
	for _, s := range specs {
		tensors[s.Name] = m.vars[s.Name]
	}
	m.target.Params["scale_factor"] = m.ScaleFactor
	text, err := config.Dump(modelFile{m.target})
	if err != nil {
		return err
	}
	meta := map[string]string{metaConfig: text}
	if m.Tokenizer != nil {
		meta[metaVocab] = strings.Join(m.Tokenizer.Vocab, "\n")
	}
	return checkpoint.Save(path, tensors, meta, d)
}

// FirstStageModel is the model's first stage.
func (m *Model) FirstStageModel() *FirstStage { return m.stage }

// Refresh says that the weights were changed from outside.
func (m *Model) Refresh() {
	m.stage.Refresh()
	m.denoiser.refresh()
	m.context.refresh()
}
