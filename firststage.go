package ldm

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
)

// FirstStage compresses pictures to latents and back: the autoencoder of
// section 3.1. It is safe for concurrent use.
type FirstStage struct {
	Config    autoencoder.Config
	encoder   shareable
	decoder   shareable
	quantizer shareable
	pool      *programs.Pool
	large     tiles.Stage    // for pictures that are too large for one program
	part      bool           // of a model, which closes the pool
	own       engine.Weights // that are closed with it; nil if they are another's
}

// shareable are the programs of a network from pictures to pictures, and the batcher
// through which several callers give each device one.
type shareable struct {
	programs *programs.Cache[programs.Batch[size]]
	batcher  *programs.Batcher[size]
}

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
	if opt.TinyDecoder != "" {
		return nil, fault.Inputf("a tiny autoencoder (%s) in place of a first stage alone: give it as the model", opt.TinyDecoder)
	}
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
	pool := programs.NewPool(opt.Keep)
	return newFirstStage(cfg, "", w, opt, pool)
}

// newFirstStage makes a first stage of weights found under prefix ("" or
// "first_stage_model"), whose programs come from a pool.
func newFirstStage(cfg autoencoder.Config, prefix string, w engine.Weights, opt Options, pool *programs.Pool) *FirstStage {
	network := func(build func(b nn.Builder, x graph.Value) graph.Value, channels int) shareable {
		all := cache(pool, opt, w, func(g *graph.Graph, s programs.Batch[size]) graph.Value {
			return build(nn.NewBuilder(g).In(prefix), g.Input("x", s.Rows, s.Kind.h, s.Kind.w, channels))
		})
		return shareable{all, programs.NewBatcher(all, func(size) int { return 1 })}
	}
	quantize := func(b nn.Builder, x graph.Value) graph.Value {
		z, _ := cfg.Quantize(b, x)
		return z
	}
	return &FirstStage{
		Config:    cfg,
		pool:      pool,
		encoder:   network(cfg.Encode, cfg.PictureChannels()),
		decoder:   network(cfg.Decode, cfg.LatentChannels()),
		quantizer: network(quantize, cfg.LatentChannels()),
		large: tiles.Stage{
			Config: cfg, Engine: opt.Engine, Weights: w, Prefix: prefix, Options: opt.compile(), MaxBytes: opt.MaxMemory.Bytes(), Log: opt.File.Log,
		},
	}
}

// Factor is the ratio of a picture's side to its latent's.
func (f *FirstStage) Factor() int { return f.Config.Factor() }

// Moments encodes pictures [N, H, W, C] in [-1, 1] to [N, H/f, W/f, 2·D], mean
// and log-variance of the posterior (KL), or to the latent itself (see Mode).
// Height and width are multiples of f.
func (f *FirstStage) Moments(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	if !f.Config.HasEncoder() {
		return nil, fault.Unsupportedf("this first stage has no encoder: of a tiny autoencoder it is looked for beside the decoder, under the same name with encoder for decoder")
	}
	if err := checkPictures(x, f.Config.PictureChannels(), f.Factor()); err != nil {
		return nil, err
	}
	return f.inMemory(ctx, f.encoder, x, x.Shape[1]*x.Shape[2], tiles.Stage.Encode)
}

// Mode is the latent [..., D] that an encoding stands for: the mean of a
// posterior's moments [..., 2·D] (KL), or the encoding itself.
func (f *FirstStage) Mode(moments *tensor.Tensor) (*tensor.Tensor, error) {
	want := f.Config.LatentChannels()
	if f.Config.Kind == autoencoder.KL {
		want *= 2
	}
	if moments == nil || len(moments.Shape) == 0 || moments.Shape[len(moments.Shape)-1] != want || len(moments.F32) != moments.Shape.Size() {
		return nil, fault.Inputf("an encoding of shape %v: want float32 with %d channels", shapeOf(moments), want)
	}
	if f.Config.Kind != autoencoder.KL {
		return moments, nil
	}
	shape := slices.Clone(moments.Shape)
	last := len(shape) - 1
	shape[last] /= 2
	d := shape[last]
	mean := tensor.New(shape...)
	for i := range mean.F32 {
		mean.F32[i] = moments.F32[i/d*2*d+i%d]
	}
	return mean, nil
}

// Decode turns latents [N, h, w, D] (not scaled) into pictures [N, f·h, f·w, C],
// about in [-1, 1].
func (f *FirstStage) Decode(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	if err := checkPictures(z, f.Config.LatentChannels(), 1); err != nil {
		return nil, err
	}
	return f.inMemory(ctx, f.decoder, z, z.Shape[1]*z.Shape[2]*f.Factor()*f.Factor(), tiles.Stage.Decode)
}

// inMemory runs x through a network, or where it is too large for one program or
// its attention would take all the time, by tiles.
func (f *FirstStage) inMemory(ctx context.Context, p shareable, x *tensor.Tensor, pixels int, byTiles func(tiles.Stage, context.Context, *tensor.Tensor) (*tensor.Tensor, error)) (y *tensor.Tensor, err error) {
	if pixels <= tiles.Large {
		y, err = f.batched(ctx, p, x, pixels)
		if !errors.Is(err, fault.Memory) {
			return y, err
		}
	}
	large := f.large
	large.Progress = tiles.ProgressOf(ctx)
	err = f.pool.Alone(ctx, func() error {
		y, err = byTiles(large, ctx, x)
		return err
	})
	return y, err
}

// Quantize replaces the vectors of latents [N, h, w, D] (not scaled) by the
// nearest of the codebook, in place. Only VQ first stages have one.
func (f *FirstStage) Quantize(ctx context.Context, z *tensor.Tensor) error {
	if f.Config.Kind != autoencoder.VQ {
		return fault.Unsupportedf("a %s first stage has no codebook", f.Config.Kind)
	}
	if err := checkPictures(z, f.Config.LatentChannels(), 1); err != nil {
		return err
	}
	q, err := f.batched(ctx, f.quantizer, z, z.Shape[1]*z.Shape[2])
	if err == nil {
		copy(z.F32, q.F32)
	}
	return err
}

// Reconstruct encodes and decodes pictures [N, H, W, C] in [-1, 1], through the
// posterior's mean.
func (f *FirstStage) Reconstruct(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	moments, err := f.Moments(ctx, x)
	if err != nil {
		return nil, err
	}
	z, err := f.Mode(moments)
	if err != nil {
		return nil, err
	}
	return f.Decode(ctx, z)
}

// checkPictures wants [N, H, W, channels] of which unit divides height and width.
func checkPictures(x *tensor.Tensor, channels, unit int) error {
	if x == nil || len(x.Shape) != 4 || x.Shape[3] != channels || len(x.F32) == 0 || len(x.F32) != x.Shape.Size() {
		return fault.Inputf("an array of shape %v: want [N, H, W, %d], at least one of at least one pixel", shapeOf(x), channels)
	}
	if x.Shape[1]%unit != 0 || x.Shape[2]%unit != 0 {
		return fault.Inputf("pictures of %dx%d pixels: want multiples of %d", x.Shape[2], x.Shape[1], unit)
	}
	return nil
}

// shapeOf is a tensor's shape; of none that is given it is nil.
func shapeOf(x *tensor.Tensor) tensor.Shape {
	if x == nil {
		return nil
	}
	return x.Shape
}

// Close frees the programs, and the weights if they were opened with it.
func (f *FirstStage) Close() {
	if !f.part {
		f.pool.Close()
	}
	if f.own != nil {
		f.own.Close()
	}
}

// pixelsAtOnce bounds how many pixels go through a first stage at once, where
// there are several pictures.
const pixelsAtOnce = 1 << 19

// batched runs x, which stands for pictures of so many pixels, through a network
// of one input "x" and one output.
func (f *FirstStage) batched(ctx context.Context, p shareable, x *tensor.Tensor, pixels int) (*tensor.Tensor, error) {
	kind := size{h: x.Shape[1], w: x.Shape[2]}
	if f.Config.DD.AttnType == autoencoder.AttnLinear { // its attention takes one picture
		return inParts(x, 1, func(part *tensor.Tensor) (y *tensor.Tensor, err error) {
			err = p.programs.Use(ctx, programs.Batch[size]{Rows: 1, Kind: kind}, single(ctx, part, &y))
			return y, err
		})
	}
	most := min(max(pixelsAtOnce/pixels, 1), maxBatch) * p.programs.Devices()
	return inParts(x, most, func(part *tensor.Tensor) (*tensor.Tensor, error) {
		return p.batcher.Run(ctx, kind, programs.Rows{"x": part})
	})
}

// batched runs x through a network of one input "x" and one output, at most so
// many pictures at a time.
func batched(ctx context.Context, p *programs.Cache[size], x *tensor.Tensor, most int) (*tensor.Tensor, error) {
	return inParts(x, most, func(part *tensor.Tensor) (y *tensor.Tensor, err error) {
		err = p.Use(ctx, size{n: part.Shape[0], h: x.Shape[1], w: x.Shape[2]}, single(ctx, part, &y))
		return y, err
	})
}

// single runs a program of one input "x" and one output, which it copies to y.
func single(ctx context.Context, x *tensor.Tensor, y **tensor.Tensor) func(engine.Program) error {
	return func(p engine.Program) error {
		copy(p.Input("x").F32, x.F32)
		err := p.Run(ctx)
		if err == nil {
			*y = p.Output(0).Clone()
		}
		return err
	}
}

// inParts cuts pictures into parts of at most so many, which have one size: a last one
// that is smaller is filled up with zeros. It joins what run makes of each.
func inParts(x *tensor.Tensor, most int, run func(part *tensor.Tensor) (*tensor.Tensor, error)) (out *tensor.Tensor, err error) {
	total, start := x.Shape[0], 0
	cut := programs.Parts(total, most)
	if len(cut) == 1 {
		return run(x)
	}
	per := len(x.F32) / total
	part := tensor.New(append(tensor.Shape{cut[0]}, x.Shape[1:]...)...)
	for _, n := range cut {
		clear(part.F32[copy(part.F32, x.F32[start*per:(start+n)*per]):])
		y, err := run(part)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = tensor.New(append(tensor.Shape{total}, y.Shape[1:]...)...)
		}
		size := len(y.F32) / cut[0]
		copy(out.F32[start*size:], y.F32[:n*size])
		start += n
	}
	return out, nil
}
