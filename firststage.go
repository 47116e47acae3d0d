package ldm

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// FirstStage compresses pictures to latents and back: the autoencoder of
// section 3.1. Its methods may be called by one goroutine at a time.
type FirstStage struct {
	Config    autoencoder.Config
	encoder   *programs[size]
	decoder   *programs[size]
	quantizer *programs[size]
	own       engine.Weights // that are closed with it; nil if they are another's
}

// size is a batch of pictures, latents or texts.
type size struct{ n, h, w, tokens int }

// maxBatch bounds how many pictures go through a network at once; as a
// picture's result does not depend on its neighbours, only memory does.
const maxBatch = 16

// OpenFirstStage reads a first stage from its file, or from that of a whole
// model.
func OpenFirstStage(path string, opt Options) (*FirstStage, error) {
	f, err := modelfile.Open(path, opt.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return LoadFirstStage(f, opt)
}

// OpenFirstStageFS is OpenFirstStage in a file system.
func OpenFirstStageFS(fsys fs.FS, name string, opt Options) (*FirstStage, error) {
	f, err := modelfile.OpenFS(fsys, name, opt.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return LoadFirstStage(f, opt)
}

// LoadFirstStage reads the first stage of a file that is open, and is not read
// any more then.
func LoadFirstStage(f *modelfile.File, opt Options) (*FirstStage, error) {
	cfg, vars, err := f.FirstStage()
	if err != nil {
		return nil, err
	}
	if opt.Engine, err = opt.engine(); err != nil {
		return nil, err
	}
	w, err := opt.Engine.Load(vars, engine.LoadOptions{Hold: opt.Hold})
	if err != nil {
		return nil, err
	}
	stage := NewFirstStage(cfg, w, opt)
	stage.own = w
	return stage, nil
}

// NewFirstStage makes a first stage of weights whose names have no prefix, which
// opt.Engine has loaded and which are not closed with it.
func NewFirstStage(cfg autoencoder.Config, w engine.Weights, opt Options) *FirstStage {
	return newFirstStage(cfg, "", w, opt.Engine, opt.compile())
}

// newFirstStage makes a first stage of weights found under prefix ("" or
// "first_stage_model").
func newFirstStage(cfg autoencoder.Config, prefix string, w engine.Weights, eng engine.Engine, opt engine.Options) *FirstStage {
	encode := func(g *graph.Graph, s size) []graph.Value {
		return []graph.Value{cfg.Encode(nn.NewBuilder(g).In(prefix), g.Input("x", s.n, s.h, s.w, cfg.PictureChannels()))}
	}
	decode := func(g *graph.Graph, s size) []graph.Value {
		return []graph.Value{cfg.Decode(nn.NewBuilder(g).In(prefix), g.Input("x", s.n, s.h, s.w, cfg.LatentChannels()))}
	}
	quantize := func(g *graph.Graph, s size) []graph.Value {
		z, _ := cfg.Quantize(nn.NewBuilder(g).In(prefix), g.Input("x", s.n, s.h, s.w, cfg.LatentChannels()))
		return []graph.Value{z}
	}
	return &FirstStage{
		Config:  cfg,
		encoder: newPrograms(eng, w, opt, encode), decoder: newPrograms(eng, w, opt, decode), quantizer: newPrograms(eng, w, opt, quantize),
	}
}

// Factor is the ratio of a picture's side to its latent's.
func (f *FirstStage) Factor() int { return f.Config.Factor() }

// Moments encodes pictures [N, H, W, C] in [-1, 1] to [N, H/f, W/f, 2·D], mean
// and log-variance of the posterior (KL), or to the latent itself (see Mode).
func (f *FirstStage) Moments(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	return batched(ctx, f.encoder, x)
}

// Mode is the latent [..., D] that an encoding stands for: the mean of a
// posterior's moments [..., 2·D] (KL), or the encoding itself.
func (f *FirstStage) Mode(moments *tensor.Tensor) *tensor.Tensor {
	if f.Config.Kind != autoencoder.KL {
		return moments
	}
	shape := slices.Clone(moments.Shape)
	last := len(shape) - 1
	shape[last] /= 2
	d := shape[last]
	mean := tensor.New(shape...)
	for i := range mean.F32 {
		mean.F32[i] = moments.F32[i/d*2*d+i%d]
	}
	return mean
}

// Decode turns latents [N, h, w, D] (not scaled) into pictures [N, f·h, f·w, C],
// about in [-1, 1].
func (f *FirstStage) Decode(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	return batched(ctx, f.decoder, z)
}

// Quantize replaces the vectors of latents [N, h, w, D] (not scaled) by the
// nearest of the codebook, in place. Only VQ first stages have one.
func (f *FirstStage) Quantize(ctx context.Context, z *tensor.Tensor) error {
	if f.Config.Kind != autoencoder.VQ {
		return fmt.Errorf("a %s first stage has no codebook", f.Config.Kind)
	}
	q, err := batched(ctx, f.quantizer, z)
	if err == nil {
		copy(z.F32, q.F32)
	}
	return err
}

// Reconstruct encodes and decodes pictures through the posterior's mean.
func (f *FirstStage) Reconstruct(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	moments, err := f.Moments(ctx, x)
	if err != nil {
		return nil, err
	}
	return f.Decode(ctx, f.Mode(moments))
}

// Close frees the programs, and the weights if they were opened with it.
func (f *FirstStage) Close() {
	f.encoder.close()
	f.decoder.close()
	f.quantizer.close()
	if f.own != nil {
		f.own.Close()
	}
}

// batched runs x through a network of one input "x" and one output, at most
// maxBatch at a time.
func batched(ctx context.Context, p *programs[size], x *tensor.Tensor) (*tensor.Tensor, error) {
	var out *tensor.Tensor
	total := x.Shape[0]
	for start := 0; start < total; start += maxBatch {
		n := min(maxBatch, total-start)
		prog, err := p.get(size{n: n, h: x.Shape[1], w: x.Shape[2]})
		if err != nil {
			return nil, err
		}
		per := len(x.F32) / total
		copy(prog.Input("x").F32, x.F32[start*per:(start+n)*per])
		if err := prog.Run(ctx); err != nil {
			return nil, err
		}
		y := prog.Output(0)
		if out == nil {
			shape := slices.Clone(y.Shape)
			shape[0] = total
			out = tensor.New(shape...)
		}
		copy(out.F32[start*len(y.F32)/n:], y.F32)
	}
	return out, nil
}
