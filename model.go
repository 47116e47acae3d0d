package ldm

import (
	"context"
	"io/fs"
	"maps"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
	"github.com/ldm-go/ldm/token"
)

// Model is a latent diffusion model with its weights. It is safe for concurrent
// use, but for Close.
type Model struct {
	net       *model.Network
	tokenizer token.Tokenizer // of text-conditional models
	target    config.Target
	weights   engine.Weights
	stage     *FirstStage
	pool      *programs.Pool
	denoiser  *programs.Cache[programs.Batch[kind]]
	batcher   *programs.Batcher[kind] // over the denoiser
	context   *programs.Cache[size]
	picture   *programs.Cache[size]
	patches   *tiles.Split    // of denoising
	file      *modelfile.File // which holds the memory of the weights; none if they were given

	hold     tensor.Format // of changed weights
	changing sync.RWMutex  // requests read, SetLoRA writes
	adapters adapters
	learnt   learnt

	opt Options // of what is loaded later

	retrieval *retrieval // none: prompts are not what the model takes

	previews sync.Mutex
	rough    rough // of previews
}

// Options of a model. The zero value computes in float32 on all processors.
type Options struct {
	Engine    engine.Engine // nil: the processor
	Precision engine.Precision
	Threads   int               // of the processor, where Engine is nil; 0: all
	Exact     bool              // see engine.Options
	Hold      tensor.Format     // of the weights in memory; see engine.LoadOptions
	MaxMemory machine.MaxMemory // that networks may take at a time; what is larger is computed in parts
	Keep      programs.Limits   // of compiled programs, one for every size of batches and pictures
	File      modelfile.Options // how a file is read
	Adapter   nn.Adapter        // around the layers of the U-Net and of the conditioner; nil: none
	// TinyDecoder is the file of a tiny autoencoder (TAESD) that takes the place of the
	// model's first stage: its decoder, and its encoder where pictures go in. Previews
	// are its pictures then.
	TinyDecoder string
	// LoRA are LoRAs that become a part of the model, under those that SetLoRA sets.
	LoRA []lora.Use
	// Patches, if set, lets larger latents go through the denoiser patch by patch,
	// whatever the memory: the reference's split_input_params, in pixels of latents.
	Patches *tiles.Split
}

// compile are the options of the model's programs.
func (o Options) compile() engine.Options {
	return engine.Options{Precision: o.Precision, Exact: o.Exact, MaxBytes: o.MaxMemory.Bytes()}
}

// engine is the one that was given, or the processor.
func (o Options) engine() (engine.Engine, error) {
	switch {
	case o.Engine == nil:
		return cpu.New(cpu.Options{Threads: o.Threads}), nil
	case o.Threads != 0:
		return nil, fault.Inputf("%d threads: the engine that is given has its own", o.Threads)
	}
	return o.Engine, nil
}

// Open reads a model: a file of this program's or of the reference, or a
// diffusers folder.
func Open(path string, opt Options) (*Model, error) {
	f, err := modelfile.Open(path, opt.File)
	if err != nil {
		return nil, err
	}
	return closing(f, opt)
}

// OpenFS is Open in a file system, such as one that is embedded in a program.
func OpenFS(fsys fs.FS, name string, opt Options) (*Model, error) {
	f, err := modelfile.OpenFS(fsys, name, opt.File)
	if err != nil {
		return nil, err
	}
	return closing(f, opt)
}

func closing(f *modelfile.File, opt Options) (*Model, error) {
	m, err := Load(f, opt)
	if err != nil {
		f.Close()
	}
	return m, err
}

// Load reads the weights of a file that is open, which the model closes.
func Load(f *modelfile.File, opt Options) (*Model, error) {
	net, err := f.Network()
	if err != nil {
		return nil, err
	}
	vars, err := f.Weights(net)
	if err != nil {
		return nil, err
	}
	if opt.TinyDecoder != "" {
		if err := replaceStage(net, vars, opt); err != nil {
			return nil, err
		}
	}
	tok, err := f.Tokenizer(net)
	if err != nil {
		return nil, err
	}
	if opt.Engine, err = opt.engine(); err != nil {
		return nil, err
	}
	digest := lora.Digest(vars)
	w, err := opt.Engine.Load(vars, engine.LoadOptions{Hold: opt.Hold, Released: func(name string) { f.Release(vars[name]) }})
	if err != nil {
		return nil, err
	}
	m := New(net, f.Target, tok, w, opt)
	m.adapters.digest = digest
	if err := m.keepLoRA(opt.LoRA); err != nil {
		m.pool.Close()
		w.Close()
		return nil, err
	}
	m.file = f
	return m, nil
}

// replaceStage puts a tiny autoencoder in the place of a network's first stage, among
// its weights too. Its latents are scaled as those that are diffused.
func replaceStage(net *model.Network, vars engine.Vars, opt Options) error {
	f, err := modelfile.Open(opt.TinyDecoder, opt.File.Bare())
	if err != nil {
		return err
	}
	defer f.Close()
	tiny, stage, err := f.FirstStage()
	switch {
	case err != nil:
		return err
	case tiny.Kind != autoencoder.Tiny:
		return fault.Inputf("%s is a %s first stage: want a tiny autoencoder, such as taesd_decoder.safetensors", opt.TinyDecoder, tiny.Kind)
	case !tiny.HasDecoder():
		return fault.Inputf("%s has no decoder, nor has a file beside it", opt.TinyDecoder)
	case tiny.LatentChannels() != net.FirstStage.LatentChannels() || tiny.Factor() != net.FirstStage.Factor() || tiny.PictureChannels() != net.FirstStage.PictureChannels():
		return fault.Inputf("%s has latents of %d channels at 1/%d: this model's have %d at 1/%d", opt.TinyDecoder, tiny.LatentChannels(), tiny.Factor(),
			net.FirstStage.LatentChannels(), net.FirstStage.Factor())
	}
	maps.DeleteFunc(vars, func(name string, _ *tensor.Tensor) bool { return strings.HasPrefix(name, model.PrefixFirstStage+".") })
	for name, t := range stage {
		vars[model.PrefixFirstStage+"."+name] = t
	}
	net.FirstStage, net.ScaleFactor = tiny, 1
	return nil
}

// New ties a network, the configuration it came of, its tokenizer (nil if it
// takes no texts) and weights together, which opt.Engine has loaded and which are
// not closed with the model.
func New(net *model.Network, target config.Target, tok token.Tokenizer, w engine.Weights, opt Options) *Model {
	pool := programs.NewPool(opt.Keep)
	denoiser := cacheAll(pool, opt, w, func(g *graph.Graph, s programs.Batch[kind]) []graph.Value {
		return s.Kind.build(net, nn.NewBuilder(g).Adapted(opt.Adapter), s.Rows)
	})
	stage := newFirstStage(net.FirstStage, model.PrefixFirstStage, w, opt, pool)
	stage.part = true
	return &Model{
		net: net, tokenizer: tok, target: target, weights: w, hold: opt.Hold, pool: pool, patches: opt.Patches,
		opt:      opt,
		stage:    stage,
		denoiser: denoiser,
		batcher:  programs.NewBatcher(denoiser, shared),
		context: cache(pool, opt, w, func(g *graph.Graph, s size) graph.Value {
			if s.embedded {
				return net.ClipSkip(s.skip).ConditionEmbedded(nn.NewBuilder(g).Adapted(opt.Adapter), s.n, s.tokens)
			}
			return net.ClipSkip(s.skip).Condition(nn.NewBuilder(g).Adapted(opt.Adapter), s.n, s.tokens)
		}),
		picture: cache(pool, opt, w, func(g *graph.Graph, s size) graph.Value {
			return net.ConditionPicture(nn.NewBuilder(g), g.Input("x", s.n, s.h, s.w, net.PictureChannels()))
		}),
	}
}

// Network is the model's structure. It must not be changed.
func (m *Model) Network() *model.Network { return m.net }

// Tokenizer is what texts go through; nil where the model takes none.
func (m *Model) Tokenizer() token.Tokenizer { return m.tokenizer }

// Classes are the names of the classes, where the model's file has them.
func (m *Model) Classes() []string {
	if m.file == nil {
		return nil
	}
	return m.file.Classes()
}

// Weights are the model's parameters, under the names of its Network. What is
// pushed to them counts from the next picture on.
func (m *Model) Weights() engine.Weights { return m.weights }

// Save writes the model with its configuration and tokenizer, as a safetensors
// file that Open reads.
func (m *Model) Save(path string, d checkpoint.DType) error {
	vars, err := m.weights.Pull()
	if err != nil {
		return err
	}
	return modelfile.Save(context.Background(), path, m.net, m.target, m.tokenizer, m.Classes(), vars, d)
}

// Close frees the model's programs and closes its file.
func (m *Model) Close() error {
	m.pool.Close()
	if m.file == nil {
		return nil
	}
	m.weights.Close()
	return m.file.Close()
}

// FirstStage is the model's first stage.
func (m *Model) FirstStage() *FirstStage { return m.stage }
