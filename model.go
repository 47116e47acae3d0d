// Package ldm runs latent diffusion models (Rombach et al., arXiv 2112.10752):
// it ties a first stage, a denoiser in its latent space and a conditioner
// together, and turns texts into pictures.
package ldm

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// Model is a latent diffusion model with its weights. Its methods may be
// called by one goroutine at a time.
type Model struct {
	*Network
	Tokenizer Tokenizer // of text-conditional models
	target    config.Target
	vars      engine.Vars
	stage     *FirstStage
	denoiser  *programs[size]
	context   *programs[size]
	picture   *programs[size]
	source    *Source // which holds the memory of the weights; none if they were made here
}

// Tokenizer turns a text into the tokens that a text encoder reads, as many as
// there is room for in ids.
type Tokenizer interface {
	Encode(text string, ids []int32)
}

// Options of a model.
type Options struct {
	Engine    engine.Engine
	Precision engine.Precision
	Threads   int           // 0: all processors
	Exact     bool          // see engine.Options
	Hold      tensor.Format // of the weights in memory; see engine.Options
	LoadOptions
	packed func(name string) // see engine.Options
}

// metaVocab is the key of the tokenizer's pieces, one a line, in a model
// file's metadata.
const metaVocab = "ldm.vocab"

// Open reads a model: a file of this program's or of the reference, or a
// diffusers folder; see OpenSource.
func Open(path string, opt Options) (*Model, error) {
	s, err := OpenSource(path, opt.Config)
	if err != nil {
		return nil, err
	}
	m, err := s.Load(opt)
	if err != nil {
		s.Close()
	}
	return m, err
}

// Load reads a model that this program wrote from an open file.
func Load(f *checkpoint.File, opt Options) (*Model, error) {
	s, err := sourceOf(f)
	if err != nil {
		return nil, err
	}
	return s.Load(opt)
}

// tokenizer is the one that a model's texts go through: that of the file, or
// the published vocabulary of its kind of text encoder.
func (n *Network) tokenizer(vocab string) (Tokenizer, error) {
	switch {
	case n.CLIP != nil:
		return token.CLIP(), nil
	case n.Text == nil || n.Text.UseTokenizer != nil && !*n.Text.UseTokenizer:
		return nil, nil
	case vocab != "":
		return token.NewWordPiece(strings.Split(vocab, "\n"))
	case n.Text.VocabSize == len(token.BERT().Vocab):
		return token.BERT(), nil
	}
	return nil, fmt.Errorf("the text encoder has a vocabulary of %d pieces, which the file does not hold (metadata %s) and which is not BERT's of %d",
		n.Text.VocabSize, metaVocab, len(token.BERT().Vocab))
}

// NewModel ties a network and weights in memory together.
func NewModel(net *Network, target config.Target, tok Tokenizer, vars engine.Vars, opt Options) *Model {
	compile := engine.Options{Precision: opt.Precision, Threads: opt.Threads, Exact: opt.Exact, Hold: opt.Hold, Ahead: true, Packed: opt.packed}
	m := &Model{Network: net, Tokenizer: tok, target: target, vars: vars}
	m.stage = NewFirstStage(net.FirstStage, PrefixFirstStage, vars, opt.Engine, compile)
	m.denoiser = newPrograms(opt.Engine, vars, compile, func(g *graph.Graph, s size) []graph.Value {
		x := g.Input("x", s.n, s.h, s.w, net.LatentChannels())
		y := net.Denoise(nn.NewBuilder(g), x, g.IntInput("t", s.n), net.conditionInput(g, s))
		return []graph.Value{y}
	})
	m.context = newPrograms(opt.Engine, vars, compile, func(g *graph.Graph, s size) []graph.Value {
		return []graph.Value{net.Condition(nn.NewBuilder(g), s.n, s.tokens)}
	})
	m.picture = newPrograms(opt.Engine, vars, compile, func(g *graph.Graph, s size) []graph.Value {
		x := g.Input("x", s.n, s.h, s.w, net.pictureChannels())
		return []graph.Value{net.ConditionPicture(nn.NewBuilder(g), x)}
	})
	return m
}

// conditionInput declares the condition that the U-Net sees.
func (n *Network) conditionInput(g *graph.Graph, s size) graph.Value {
	switch n.Key {
	case KeyConcat:
		return g.Input("condition", s.n, s.h, s.w, n.UNet.InChannels-n.LatentChannels())
	case KeyCrossAttn:
		return g.Input("condition", s.n, s.tokens, n.UNet.ContextDim)
	case KeyADM:
		return g.IntInput("condition", s.n)
	}
	return graph.Value{}
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
	unet := m.Params.UNet // with the heads in use, which may be those of a legacy model
	unet.Params["num_heads"], unet.Params["num_head_channels"] = m.UNet.NumHeads, m.UNet.NumHeadChannels
	m.target.Params["unet_config"] = map[string]any{"target": unet.Target, "params": unet.Params}
	text, err := config.Dump(modelFile{Model: m.target})
	if err != nil {
		return err
	}
	meta := map[string]string{metaConfig: text}
	if tok, ok := m.Tokenizer.(*token.WordPiece); ok && tok != token.BERT() {
		meta[metaVocab] = strings.Join(tok.Vocab, "\n")
	}
	return checkpoint.Save(path, tensors, meta, d)
}

// Close frees the model's programs and closes its file.
func (m *Model) Close() error {
	m.stage.Close()
	m.denoiser.close()
	m.context.close()
	m.picture.close()
	if m.source == nil {
		return nil
	}
	return m.source.Close()
}

// CopyWeights writes copies of the model's weights to vars.
func (m *Model) CopyWeights(vars engine.Vars, specs []nn.ParamSpec) error {
	for _, p := range specs {
		t := m.vars[p.Name]
		if t == nil || !t.Shape.Equal(p.Shape) {
			return fmt.Errorf("the model has no %s of shape %v", p.Name, p.Shape)
		}
		vars[p.Name] = t.Float32().Clone()
	}
	return nil
}

// FirstStageModel is the model's first stage.
func (m *Model) FirstStageModel() *FirstStage { return m.stage }

// Refresh says that the weights were changed from outside.
func (m *Model) Refresh() {
	m.stage.Refresh()
	m.denoiser.refresh()
	m.context.refresh()
	m.picture.refresh()
}
